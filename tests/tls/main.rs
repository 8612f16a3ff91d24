//! TLS sessions of checks with real servers on loopback: every story with every library that is built in.
//!
//! Run with `--features tls-openssl` it tells both libraries apart: old servers are reached by one of them only.
#![cfg(any(feature = "tls", feature = "tls-openssl"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test ends at the first surprise"
)]

mod peer;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, RwLock};

use keepalived::checkd::tls::{Client, Fault, LIBRARIES, Library};
use keepalived::config::model::Tls;
use keepalived::proto::check::http::Certificate;
use peer::{Ending, Server, Talk, talk};

/// Held for itself by the test that counts what the process allocates.
static ALONE: RwLock<()> = RwLock::new(());

const GET: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The folder of what is made once: an authority, and certificates of it.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls");
        let at = folder.as_path();
        std::fs::create_dir_all(at).unwrap();
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
        openssl(at, &format!("req -x509 {ec} -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30"));
        std::fs::write(at.join("names"), "subjectAltName=DNS:web.example.test,IP:127.0.0.1\n").unwrap();
        for (name, key, days) in [("web", ec, 20), ("old", "-newkey rsa:2048", 20), ("expired", ec, -1)] {
            openssl(at, &format!("req -new {key} -nodes -keyout {name}.key -out {name}.csr -subj /CN=web.example.test"));
            openssl(at, &format!("x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days {days} -extfile names -out {name}.crt"));
            let both = [format!("{name}.key"), format!("{name}.crt")].map(|file| std::fs::read(at.join(file)).unwrap());
            std::fs::write(at.join(format!("{name}.pem")), both.concat()).unwrap();
        }
        openssl(at, &format!("req -x509 {ec} -nodes -keyout self.key -out self.pem -subj /CN=web.example.test -days 30 -addext subjectAltName=DNS:web.example.test"));
        openssl(at, "ec -in web.key -aes256 -passout pass:secret -out locked.key");
        Files(folder)
    })
}

fn client(library: Library) -> Client {
    Client::new(library, &Tls::default(), None).unwrap()
}

/// A client that looks at certificates.
fn strict(library: Library, asked: Certificate) -> Client {
    let own = Tls { ca: Some(files().path("ca.pem")), ..Tls::default() };
    Client::new(library, &own, Some(&asked)).unwrap()
}

/// A client that wants one of the authority, for this name.
fn verifying(library: Library, name: Option<&str>) -> Client {
    strict(library, Certificate { verify: true, name: name.map(Into::into), ..Certificate::default() })
}

fn s_server(certificate: &str, arguments: &str) -> Server {
    Server::openssl(&files().path(certificate), arguments)
}

/// The page of `openssl s_server -www` has come, whole.
#[track_caller]
fn assert_page(talk: &Talk, what: &str) {
    assert_eq!(talk.fault, None, "{what}");
    let text = String::from_utf8_lossy(&talk.text);
    assert!(text.starts_with("HTTP/1.0 200 ok") && text.contains("</HTML>"), "{what}: {text}");
}

/// Field case 50.
#[test]
fn both_versions_are_spoken_with_and_without_a_name_in_any_pieces() {
    let _beside = ALONE.read();
    for version in ["-tls1_2", "-tls1_3"] {
        let server = s_server("web.pem", &format!("-www {version}"));
        for &library in LIBRARIES {
            let client = client(library);
            for (sni, piece) in
                [(None, 4096), (Some("web.example.test"), 4096), (Some("web.example.test:443"), 1), (None, 7)]
            {
                let talk = talk(&client, &server, sni, GET, piece);
                assert_page(&talk, &format!("{library:?} {version} {sni:?} {piece}"));
                assert_eq!(talk.ending, Ending::Announced);
            }
        }
    }
}

#[test]
fn the_server_is_told_the_name_that_the_check_has_and_no_address() {
    let _beside = ALONE.read();
    let server = Server::python("name", &files().path("web.pem"));
    for &library in LIBRARIES {
        let client = client(library);
        for (sni, right) in [
            (None, "name: [None]"),
            (Some("web.example.test"), "name: ['web.example.test']"),
            (Some("web.example.test:8443"), "name: ['web.example.test']"),
            (Some("127.0.0.1"), "name: [None]"),
            (Some("::1"), "name: [None]"),
        ] {
            let talk = talk(&client, &server, sni, GET, 4096);
            assert_eq!(String::from_utf8_lossy(&talk.text), right, "{library:?} {sni:?}");
        }
    }
}

/// Field case 51. rustls says that there is nothing in common, OpenSSL reaches all of them.
#[test]
fn old_servers_are_reached_by_openssl_and_named_by_rustls() {
    let _beside = ALONE.read();
    for arguments in [
        "-tls1_2 -cipher AES128-GCM-SHA256:@SECLEVEL=0",
        "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0",
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0",
        "-tls1_1 -cipher ALL:@SECLEVEL=0",
        "-tls1 -cipher ALL:@SECLEVEL=0",
    ] {
        let server = s_server("old.pem", &format!("-www {arguments}"));
        for &library in LIBRARIES {
            let talk = talk(&client(library), &server, None, GET, 4096);
            match library {
                #[cfg(feature = "tls")]
                Library::Rustls => assert_eq!(talk.fault, Some(Fault::NoCommonSuite), "{arguments}"),
                #[cfg(feature = "tls-openssl")]
                Library::Openssl => assert_page(&talk, arguments),
            }
        }
    }
    let text = Fault::NoCommonSuite.to_string();
    assert!(text.starts_with("no common version or cipher suite"));
    assert_eq!(text.contains("'tls-openssl'"), cfg!(not(feature = "tls-openssl")));
}

/// Field case 52 (a): all of the page has come, so it does not matter how the session ends.
#[test]
fn an_end_without_announcement_is_told_and_no_fault() {
    let _beside = ALONE.read();
    let server = Server::python("unclean", &files().path("web.pem"));
    for &library in LIBRARIES {
        let talk = talk(&client(library), &server, None, GET, 4096);
        assert_eq!(talk.fault, None, "{library:?}");
        assert!(talk.text.ends_with(b"page"));
        assert_eq!(talk.ending, Ending::Connection);
    }
}

/// Field case 52 (b): who says that it does not go on has sent a whole page before.
#[test]
fn an_alert_that_a_user_has_canceled_is_no_fault() {
    let _beside = ALONE.read();
    for kind in ["canceled12", "canceled13"] {
        let server = Server::python(kind, &files().path("web.pem"));
        for &library in LIBRARIES {
            let talk = talk(&client(library), &server, None, GET, 4096);
            assert_eq!(talk.fault, None, "{library:?} {kind}");
            assert!(talk.text.ends_with(b"page"), "{library:?} {kind}");
            assert_eq!(talk.ending, Ending::Announced, "{library:?} {kind}");
        }
    }
}

#[test]
fn a_long_text_comes_whole_in_bounded_memory() {
    let _alone = ALONE.write();
    let server = Server::python("large", &files().path("web.pem"));
    for &library in LIBRARIES {
        let client = client(library);
        // What the library makes once is made.
        talk(&client, &server, None, GET, 4096);
        let talk = talk(&client, &server, None, GET, 4096);
        assert_eq!(
            (talk.fault, talk.text.len(), talk.ending),
            (None, 300_000, Ending::Announced),
            "{library:?}"
        );
        println!("{library:?}: {} octets at most, {} allocations", talk.most, talk.allocations);
        assert!(talk.most < 100_000, "{library:?} took {} octets", talk.most);
    }
}

#[test]
fn certificates_are_looked_at_where_the_check_asks() {
    let _beside = ALONE.read();
    let (web, own, expired) = (
        s_server("web.pem", "-www"),
        Server::openssl_files(&files().path("self.pem"), &files().path("self.key"), "-www"),
        s_server("expired.pem", "-www"),
    );
    for &library in LIBRARIES {
        let fault =
            |client: &Client, server: &Server, sni: Option<&str>| talk(client, server, sni, GET, 4096).fault;
        let name = Some("web.example.test");
        // Not asked: anything goes.
        for server in [&web, &own, &expired] {
            assert_eq!(fault(&client(library), server, Some("other.example.test")), None, "{library:?}");
        }
        let any = verifying(library, None);
        assert_eq!(fault(&any, &web, name), None, "{library:?}");
        assert_eq!(fault(&any, &web, None), None, "{library:?}: by its address");
        assert_eq!(fault(&any, &web, Some("other.example.test")), Some(Fault::WrongName), "{library:?}");
        assert_eq!(fault(&any, &own, name), Some(Fault::Untrusted), "{library:?}");
        assert_eq!(fault(&any, &expired, name), Some(Fault::OutOfTime), "{library:?}");
        assert_eq!(fault(&verifying(library, name), &web, Some("other.example.test")), None, "{library:?}");
        assert_eq!(fault(&verifying(library, Some("127.0.0.1")), &web, name), None, "{library:?}");
        assert_eq!(
            fault(&verifying(library, Some("127.0.0.2")), &web, name),
            Some(Fault::WrongName),
            "{library:?}"
        );
        // One that is in the file itself, as for servers that sign their own.
        let ca = Some(files().path("self.pem").into());
        let pinned = strict(library, Certificate { verify: true, ca, ..Certificate::default() });
        assert_eq!(fault(&pinned, &own, name), None, "{library:?}");
        assert_eq!(fault(&pinned, &own, Some("other.example.test")), Some(Fault::WrongName), "{library:?}");
        assert_eq!(fault(&pinned, &web, name), Some(Fault::Untrusted), "{library:?}");
    }
}

#[test]
fn a_certificate_that_expires_soon_fails_or_warns() {
    let _beside = ALONE.read();
    let (server, expired) = (s_server("web.pem", "-www"), s_server("expired.pem", "-www"));
    for &library in LIBRARIES {
        let asked = |fail, warn| strict(library, Certificate { fail, warn, ..Certificate::default() });
        let talk = |client: &Client, server: &Server| talk(client, server, None, GET, 4096);
        let soon = talk(&asked(Some(21), None), &server);
        // The certificate of 20 days may have been made in this very second.
        let left = |days: i64| (19..=20).contains(&days);
        assert!(
            matches!(soon.fault, Some(Fault::Expires { days }) if left(days)),
            "{library:?}: {:?}",
            soon.fault
        );
        let late = talk(&asked(Some(19), Some(21)), &server);
        assert_eq!(late.fault, None, "{library:?}");
        assert!(late.warning.is_some_and(left), "{library:?}: {:?}", late.warning);
        assert_eq!(talk(&asked(Some(19), Some(19)), &server).warning, None, "{library:?}");
        // A day ago, to the second or a little more.
        let gone = |days: i64| (-2..=-1).contains(&days);
        assert!(talk(&asked(None, Some(0)), &expired).warning.is_some_and(gone), "{library:?}");
        let fault = talk(&asked(Some(0), None), &expired).fault;
        assert!(matches!(fault, Some(Fault::Expires { days }) if gone(days)), "{library:?}");
    }
}

#[test]
fn a_server_that_asks_who_we_are_is_told() {
    let _beside = ALONE.read();
    let server = s_server(
        "web.pem",
        &format!("-www -tls1_2 -Verify 2 -verify_return_error -CAfile {}", files().path("ca.pem")),
    );
    let own = |key: &str, password: Option<&str>| Tls {
        certificate: Some(files().path("web.crt")),
        key: Some(files().path(key)),
        password: password.map(str::to_owned),
        ..Tls::default()
    };
    for &library in LIBRARIES {
        let known = Client::new(library, &own("web.key", None), None).unwrap();
        assert_page(&talk(&known, &server, None, GET, 4096), &format!("{library:?}"));
        assert!(talk(&client(library), &server, None, GET, 4096).fault.is_some(), "{library:?}");
        let locked = Client::new(library, &own("locked.key", Some("secret")), None);
        match library {
            #[cfg(feature = "tls")]
            Library::Rustls => assert!(locked.unwrap_err().contains("'tls-openssl'")),
            #[cfg(feature = "tls-openssl")]
            Library::Openssl => {
                assert_page(&talk(&locked.unwrap(), &server, None, GET, 4096), "a key with a password")
            }
        }
        for wrong in [own("none.key", None), own("web.csr", None), own("old.key", None)] {
            let error = Client::new(library, &wrong, None).unwrap_err();
            assert!(error.contains("key"), "{library:?}: {error}");
        }
        let no_ca = Certificate { verify: true, ..Certificate::default() };
        assert!(Client::new(library, &Tls::default(), Some(&no_ca)).unwrap_err().contains("tls_verify"));
        let missing = Tls { ca: Some("/none/ca.pem".to_owned()), ..Tls::default() };
        assert!(Client::new(library, &missing, None).unwrap_err().starts_with("cannot read ca /none/ca.pem"));
    }
}

#[test]
fn what_is_no_tls_is_a_fault_of_this_session_only() {
    let _beside = ALONE.read();
    let garbage: Vec<u8> =
        (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    // Records of a handshake message of 16 million octets.
    let endless: Vec<u8> = (0..40)
        .flat_map(|part| {
            let mut record = vec![22, 3, 3, 0x40, 0];
            record.extend_from_slice(if part == 0 { &[11, 0xff, 0xff, 0xff] } else { &[0; 4] });
            record.resize(record.len() + 0x4000 - 4, 0);
            record
        })
        .collect();
    let cases: [(&str, &[u8], &[Fault]); 7] = [
        ("page", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", &[Fault::NotTls]),
        ("garbage", &garbage, &[Fault::NotTls, Fault::Protocol]),
        ("nothing", b"", &[Fault::Truncated]),
        ("half", &[22, 3, 3, 0, 100, 2, 0, 0, 90], &[Fault::Truncated]),
        ("alert", &[21, 3, 3, 0, 2, 2, 80], &[Fault::Alert(80)]),
        ("refusal", &[21, 3, 3, 0, 2, 2, 40], &[Fault::NoCommonSuite]),
        ("endless", &endless, &[Fault::NotTls, Fault::Protocol, Fault::TooLong]),
    ];
    for (name, octets, right) in cases {
        let path = files().path(&format!("{name}.answer"));
        std::fs::write(&path, octets).unwrap();
        let server = Server::python("plain", &path);
        for &library in LIBRARIES {
            let client = client(library);
            for piece in [4096, 1] {
                let fault = talk(&client, &server, None, GET, piece).fault;
                assert!(fault.is_some_and(|fault| right.contains(&fault)), "{library:?}, {name}: {fault:?}");
            }
        }
    }
}

//! The command line of genhash(1).

use std::ffi::OsString;

use keepalived::base::addr::IpAddr;
use keepalived::base::time::Span;
use keepalived::proto::check::http::Version;
use lexopt::prelude::{Long, Short, Value};

/// What is fetched, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// -s
    pub(super) server: IpAddr,
    /// -p
    pub(super) port: u16,
    /// -u
    pub(super) url: String,
    /// -V
    pub(super) host: Option<String>,
    /// -S
    pub(super) tls: bool,
    /// -I: the name of -V in the TLS handshake.
    pub(super) sni: bool,
    /// -m; 0: none.
    pub(super) mark: u32,
    /// -P
    pub(super) version: Version,
    /// -t: for the connection and for the whole reply.
    pub(super) timeout: Span,
    /// -v
    pub(super) verbose: bool,
}

/// The options: letter and word.
const KNOWN: [(char, &str); 11] = [
    ('S', "use-ssl"),
    ('I', "use-sni"),
    ('v', "verbose"),
    ('h', "help"),
    ('s', "server"),
    ('p', "port"),
    ('u', "url"),
    ('V', "use-virtualhost"),
    ('m', "fwmark"),
    ('P', "protocol"),
    ('t', "timeout"),
];

/// Reads the words of the command line without the name of the program; an error is what is to be said before the usage.
pub(super) fn read(words: Vec<OsString>) -> Result<Options, String> {
    let mut parser = lexopt::Parser::from_args(words);
    let (mut server, mut port, mut url) = (None, None, None);
    let mut options = Options {
        server: IpAddr::from([0; 4]),
        port: 0,
        url: String::new(),
        host: None,
        tls: false,
        sni: false,
        mark: 0,
        version: Version::V10,
        timeout: Span::from_secs(5),
        verbose: false,
    };
    while let Some(argument) = parser.next().map_err(|error| told(&error))? {
        let known = KNOWN.iter().find(|(letter, word)| match argument {
            Short(given) => given == *letter,
            Long(given) => given == *word,
            Value(_) => false,
        });
        let Some((letter, _)) = known else { return Err(told(&argument.unexpected())) };
        let flag = match letter {
            'S' => &mut options.tls,
            'I' => &mut options.sni,
            'v' => &mut options.verbose,
            'h' => return Err(String::new()),
            _ => {
                let text = parser.value().map_err(|error| told(&error))?.to_string_lossy().into_owned();
                let wrong = match letter {
                    's' => {
                        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
                        server = bare.unwrap_or(&text).parse().ok();
                        if server.is_none() {
                            return Err(format!("server should be an IP, not {text}\n"));
                        }
                        None
                    }
                    'p' => {
                        port = text.parse().ok().filter(|number| *number > 0);
                        port.is_none().then_some("port number")
                    }
                    'm' => {
                        let mark = text.parse().ok();
                        options.mark = mark.unwrap_or(0);
                        mark.is_none().then_some("fwmark")
                    }
                    'P' => {
                        let version = match &*text {
                            "1.0" => Some(Version::V10),
                            "1.0c" | "1.0C" => Some(Version::V10Close),
                            "1.1" => Some(Version::V11),
                            _ => None,
                        };
                        options.version = version.unwrap_or(options.version);
                        version.is_none().then_some("HTTP protocol version")
                    }
                    't' => {
                        let seconds: u32 = text.parse().unwrap_or(0);
                        options.timeout = Span::from_secs(seconds.into());
                        (seconds == 0).then_some("timeout")
                    }
                    'u' => {
                        url = Some(text);
                        continue;
                    }
                    _ => {
                        options.host = Some(text);
                        continue;
                    }
                };
                match wrong {
                    Some(what) => return Err(format!("invalid {what} '{text}'\n")),
                    None => continue,
                }
            }
        };
        *flag = true;
    }
    let (Some(server), Some(port), Some(url)) = (server, port, url) else { return Err(String::new()) };
    Ok(Options { server, port, url, ..options })
}

fn told(error: &lexopt::Error) -> String {
    format!("{error}\n")
}

/// What is said of a command line that cannot be followed; `name` is how the program was called.
pub(super) fn usage(name: &str) -> String {
    format!("Usage: {name} COMMAND [OPTIONS]\n{USAGE}")
}

const USAGE: &str = "\
Commands:
   -s server-address -p port -u url
   -S -s server-address -p port -u url
   -h

Options:
Either long or short options are allowed.
   --use-ssl         -S       Use SSL connection to remote server.
   --use-sni         -I       Use SNI during SSL handshake (uses virtualhost setting; see -V).
   --server          -s       Use the specified remote server address.
   --port            -p       Use the specified remote server port.
   --url             -u       Use the specified remote server url.
   --use-virtualhost -V       Use the specified virtualhost in GET query.
   --verbose         -v       Use verbose mode output.
   --help            -h       Display this short inlined help screen.
   --fwmark          -m       Use the specified FW mark.
   --protocol        -P       Use the specified HTTP protocol - '1.0', '1.0c', '1.1'.
                                1.0c means 1.0 with 'Connection: close'
   --timeout         -t       Timeout in seconds
";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Options, String> {
        read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn every_option_is_read() {
        let least = of("-s 192.0.2.1 -p 80 -u /x").unwrap();
        assert_eq!((least.tls, least.version, least.timeout), (false, Version::V10, Span::from_secs(5)));
        let long = "--use-ssl --use-sni --server [2001:db8::1] --port 443 --url / --use-virtualhost www --fwmark 7 \
                    --protocol 1.1 --timeout 2 --verbose";
        let short = "-SIv -s 2001:db8::1 -p443 -u / -V www -m 7 -P 1.1 -t 2";
        let all = of(long).unwrap();
        assert_eq!(of(short), Ok(all.clone()));
        let wanted = Options {
            server: "2001:db8::1".parse().unwrap(),
            port: 443,
            url: "/".to_owned(),
            host: Some("www".to_owned()),
            tls: true,
            sni: true,
            mark: 7,
            version: Version::V11,
            timeout: Span::from_secs(2),
            verbose: true,
        };
        assert_eq!(all, wanted);
        assert_eq!(of("-s 192.0.2.1 -p 80 -u /x -P 1.0c").unwrap().version, Version::V10Close);
    }

    #[test]
    fn what_is_wrong_is_said_in_genhash_s_words() {
        for (line, text) in [
            ("", ""),
            ("-h", ""),
            ("-s 192.0.2.1 -p 80", ""),
            ("-s localhost -p 80 -u /", "server should be an IP, not localhost\n"),
            ("-s 192.0.2.1 -p abc -u /", "invalid port number 'abc'\n"),
            ("-s 192.0.2.1 -p 0 -u /", "invalid port number '0'\n"),
            ("-s 192.0.2.1 -p 80 -u / -P 3", "invalid HTTP protocol version '3'\n"),
            ("-s 192.0.2.1 -p 80 -u / -t 0", "invalid timeout '0'\n"),
        ] {
            assert_eq!(of(line).unwrap_err(), text, "{line}");
        }
        assert!(of("--foo").unwrap_err().contains("--foo"));
    }
}

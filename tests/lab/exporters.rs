//! The exporters in use for Prometheus (keepalived-exporter of mehdy, keepalived_exporter of gen2brain) read our dump,
//! statistics and JSON: by the rules that their patterns have.

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::UNDER_TEST;

const TIMING: Timing = Timing::v3(10);

/// mehdy's text mode. A block of .data begins with one blank, its properties have three and more, items of the last
/// property five and more; a shallower line ends it. .stats has numbers alone, and the same instances.
const TEXT: &str = r"
import re
def data(path):
    instances, scripts, block, last = {}, {}, None, None
    for line in open(path).read().split('\n'):
        indent = len(line) - len(line.lstrip(' '))
        m = re.match(r'^ VRRP Instance = (.*)$', line)
        s = re.match(r'^ VRRP Script = (.*)$', line)
        if m: block = instances.setdefault(m.group(1), {}); continue
        if s: block = scripts.setdefault(s.group(1), {}); continue
        if indent < 3: block = None; continue
        if block is None: continue
        if indent >= 5 and last is not None: block.setdefault(last + ' items', []).append(line.strip()); continue
        key, value = (line.split('=') + [None])[:2] if '=' in line else (line.split(':', 1) + [None])[:2]
        last = key.strip()
        if value is not None: block[last] = value.strip()
    return instances, scripts
instances, scripts = data('/tmp/keepalived.data')
assert set(instances) == {'VI_1'}, instances.keys()
one = instances['VI_1']
assert one['State'] == 'MASTER' and one['Wantstate'] in ('INIT', 'BACKUP', 'MASTER', 'FAULT'), one
int(one['Gratuitous ARP delay'])
assert int(one['Virtual Router ID']) == 51, one
assert one.get('Interface', one.get('Listening device')) == 'eth0', one
vips = [i for k, v in one.items() if k.startswith('Virtual IP') and 'Excluded' not in k and k.endswith('items') for i in v]
assert len(vips) == 1 and vips[0].split()[0].startswith('10.9.0.100') and len(vips[0].split()) >= 3, vips
assert not any(k + ' items' in one for k in ('State', 'Wantstate', 'Interface', 'Virtual Router ID')), one
assert scripts['fine']['Status'] in ('GOOD', 'BAD') and scripts['fine']['State'] in ('idle', 'running'), scripts
names, counts = [], 0
for line in open('/tmp/keepalived.stats').read().split('\n'):
    m = re.match(r'^VRRP Instance: (.*)$', line)
    if m: names.append(m.group(1)); inside = True; continue
    if line and not line.startswith(' '): inside = False
    m = re.match(r'^ {2,}([^:]+): *(.*)$', line)
    if m and inside and m.group(2): int(m.group(2)); counts += 1
assert names == ['VI_1'] and counts > 15, (names, counts)
";

/// JSON as both read it: an array, whole numbers, addresses of three words.
const JSON: &str = r"
import json
all = json.load(open('/tmp/keepalived.json'))
assert isinstance(all, list) and len(all) == 1
data, stats = all[0]['data'], all[0]['stats']
for key in ('vrid', 'state', 'wantstate', 'garp_delay'): assert type(data[key]) is int, key
assert data['iname'] == 'VI_1' and data['ifp_ifname'] == 'eth0' and data['state'] == 2
assert type(data['last_transition']) in (int, float)
for key in ('advert_rcvd', 'advert_sent', 'become_master', 'release_master', 'packet_len_err', 'advert_interval_err',
            'ip_ttl_err', 'invalid_type_rcvd', 'addr_list_err', 'invalid_authtype', 'authtype_mismatch', 'auth_failure',
            'pri_zero_rcvd', 'pri_zero_sent'):
    assert type(stats[key]) is int, key
for list in ('vips', 'evips'):
    for vip in data.get(list, []): assert type(vip) is str and len(vip.split()) >= 3, vip
assert data['vips'][0].split()[2] == 'eth0', data['vips']
";

#[test]
fn exporters_read_what_the_signals_write() {
    if is_reference("the rules are those that it was read by") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let script = "vrrp_script fine {\n script /bin/true\n interval 1\n}\n";
    let instance = Instance::default().before(script).line("track_script {\n fine\n }");
    let daemon = Daemon::start(&a, Program::UnderTest, &instance.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    // What mehdy's looks at before it begins.
    let version = a.shell(&format!("{UNDER_TEST} -v 2>&1"));
    let first = version.lines().next().unwrap_or_default();
    assert!(first.split(' ').nth(1).is_some_and(|word| word.starts_with('v')) && version.lines().count() > 1);
    assert!(a.shell(&format!("{UNDER_TEST} --version 2>&1")).contains("--enable-json"));
    for word in ["DATA", "STATS", "JSON"] {
        for form in [format!("--signum={word}"), format!("--signum {word}")] {
            let number = a.shell(&format!("{UNDER_TEST} {form}"));
            assert!(number.trim().parse::<u8>().is_ok(), "{form}: {number}");
        }
    }
    assert!(a.read("/run/keepalived.pid").trim_end_matches('\n').parse::<i32>().is_ok());
    daemon.signal(Signal::SIGUSR1);
    daemon.signal(Signal::SIGUSR2);
    // gen2brain's has this number built in.
    daemon.signal_number(36);
    let places = ["/tmp/keepalived.data", "/tmp/keepalived.stats", "/tmp/keepalived.json"];
    eventually("all three are written", START, || places.iter().all(|place| a.exists(place)));
    for (place, program) in [("/run/lab/read_text.py", TEXT), ("/run/lab/read_json.py", JSON)] {
        a.write(place, program);
        a.shell(&format!("python3 {place}"));
    }
}

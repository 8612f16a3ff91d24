//! The control socket of a daemon as its client sees it, and whether what it says is what the kernel says.

use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use super::bounds::{START, eventually};
use super::node::{Node, UNDER_TEST};

/// Asks; output and exit code as they are.
pub(crate) fn ask(node: &Node, words: &str) -> Output {
    node.try_shell(&format!("{UNDER_TEST} --ctl {words}"))
}

/// The answer to what must succeed.
pub(crate) fn answer(node: &Node, words: &str) -> String {
    let output = ask(node, words);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((code(&output), &*err), (0, ""), "{words}: {out}");
    out
}

/// What a program has printed.
pub(crate) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// The exit code of a program, or 128 and the signal that has ended it.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default())
}

/// An expression of python over `s`, the status, and `i`, its first instance.
pub(crate) fn status(node: &Node, expression: &str) -> String {
    let output = evaluate(node, expression);
    assert!(output.status.success(), "{expression}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// Waits until the daemon answers, and such an expression has this value.
pub(crate) fn wait_status(node: &Node, expression: &str, value: &str) {
    eventually(&format!("{}: {expression} is {value}", node.name()), START, || {
        let output = evaluate(node, expression);
        output.status.success() && text(&output.stdout).trim() == value
    });
}

fn evaluate(node: &Node, expression: &str) -> Output {
    node.write("/run/lab/status.py", STATUS);
    node.try_shell(&format!(
        "set -o pipefail; {UNDER_TEST} --ctl status --json | python3 /run/lab/status.py \"{expression}\""
    ))
}

const STATUS: &str = "import json,sys
s=json.load(sys.stdin)
i=(s['vrrp'] or {}).get('instances',[None])[0]
print(eval(sys.argv[1]))
";

/// Waits until the status of a node is what its kernel says (`ip -j`): each interface is there, a MASTER has all of its
/// addresses, nobody else has one, and the status names those that are there.
pub(crate) fn wait_truth(node: &Node) {
    node.write("/run/lab/truth.py", TRUTH);
    let mut seen = String::new();
    let agrees = super::bounds::holds_within(START, || {
        seen = node.shell(&format!("python3 /run/lab/truth.py {UNDER_TEST}"));
        seen.trim() == "[]"
    });
    assert!(agrees, "{}: the status is not what the kernel says: {seen}", node.name());
}

const TRUTH: &str = "import json,subprocess,sys
def run(*words): return json.loads(subprocess.run(words,stdout=subprocess.PIPE).stdout or '{}')
s=run(sys.argv[1],'--ctl','status','--json')
links=run('ip','-j','addr')
kernel={(link['ifname'],a['local']) for link in links for a in link.get('addr_info',[]) if 'local' in a}
names={link['ifname'] for link in links}
wrong=[] if s.get('silent')==[] else ['no whole answer']
for i in (s.get('vrrp') or {}).get('instances',[]):
    if i['interface'] not in names: wrong.append((i['name'],i['interface']))
    for a in i['addresses']:
        there=(a['interface'],a['address'].split('/')[0]) in kernel
        if there!=a['in_kernel'] or there!=(i['state']=='MASTER'):
            wrong.append((i['name'],i['state'],a['address'],'in the kernel' if there else 'not in the kernel'))
print(wrong[:5])
";

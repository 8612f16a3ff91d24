//! S50keepalived starts, reloads and stops the daemon, by itself and with busybox's init above it.

use crate::box_shell::{BoxShell, DAEMON, rootfs};

const WAIT: &str = "wait_for() { for i in 1 2 3 4 5 6 7 8 9 10; do eval \"$1\" && return 0; sleep 1; done; echo \"never: $1\"; return 1; }\n";

/// The variables of the script, with everything in the folder of the test.
fn variables(shell: &BoxShell, inittab: &str) -> Vec<(String, String)> {
    let conf = shell.file("conf", "global_defs {\n}\n");
    let inittab = shell.file("inittab", inittab);
    shell.file(
        "defaults",
        &format!(
            "KEEPALIVED_ARGS=\"-f {conf} -D -g{} -p {} -r {} -c {} -b {}\"\n",
            shell.path("log"),
            shell.path("keepalived.pid"),
            shell.path("vrrp.pid"),
            shell.path("checkers.pid"),
            shell.path("bfd.pid"),
        ),
    );
    [
        ("KEEPALIVED_DAEMON", DAEMON.to_owned()),
        ("KEEPALIVED_RUN_DIR", shell.path("").trim_end_matches('/').to_owned()),
        ("KEEPALIVED_INITTAB", inittab),
        ("KEEPALIVED_DEFAULTS", shell.path("defaults")),
        ("S50", rootfs("busybox/etc/init.d/S50keepalived")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn run(shell: &BoxShell, inittab: &str, lines: &str) -> String {
    let variables = variables(shell, inittab);
    let lent: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    shell.prints(&format!("{WAIT}{lines}"), &lent)
}

#[test]
fn the_script_runs_the_daemon_by_itself() {
    let shell = BoxShell::new("s50");
    let output = run(
        &shell,
        "::sysinit:/etc/init.d/rcS\n#::respawn:/etc/init.d/S50keepalived supervise\n",
        "$S50 status
        $S50 reload || echo not running
        $S50 start
        $S50 status | sed 's/[0-9]*$//'
        first=$(cat keepalived.pid)
        $S50 start || echo once is enough
        $S50 reload
        wait_for 'grep -q -i reload log'
        $S50 restart
        [ $first = $(cat keepalived.pid) ] || echo another
        $S50 stop
        $S50 stop
        [ -e keepalived.pid ] || echo nothing left
        $S50 jump | sed 's/.*{/{/'",
    );
    assert_eq!(
        output,
        "keepalived does not run\n\
         Reloading keepalived: FAIL\nnot running\n\
         Starting keepalived: OK\n\
         keepalived runs as \n\
         Starting keepalived: FAIL\nonce is enough\n\
         Reloading keepalived: OK\n\
         Stopping keepalived: OK\nStarting keepalived: OK\nanother\n\
         Stopping keepalived: OK\n\
         Stopping keepalived: OK\n\
         nothing left\n\
         {start|stop|restart|reload|status}\n",
        "{}",
        shell.read("log")
    );
}

/// A loop runs `supervise` again and again, as init does.
#[test]
fn init_brings_the_daemon_back_until_it_is_stopped() {
    let shell = BoxShell::new("supervised");
    let output = run(
        &shell,
        "::sysinit:/etc/init.d/rcS\n::respawn:/etc/init.d/S50keepalived supervise\n",
        "(while :; do $S50 supervise; sleep 1; done) &
        sleep 2
        $S50 status
        $S50 start
        wait_for '$S50 status >/dev/null'
        first=$(cat keepalived.pid)
        kill -9 $first
        wait_for '[ -s keepalived.pid ] && [ $first != $(cat keepalived.pid) ] && $S50 status >/dev/null' && echo again
        second=$(cat keepalived.pid)
        $S50 stop
        sleep 3
        $S50 status
        $S50 start
        wait_for '$S50 status >/dev/null' && [ $second != $(cat keepalived.pid) ] && echo third
        $S50 stop",
    );
    assert_eq!(
        output,
        "keepalived does not run\n\
         Starting keepalived: OK\n\
         again\n\
         Stopping keepalived: OK\n\
         keepalived does not run\n\
         Starting keepalived: OK\n\
         third\n\
         Stopping keepalived: OK\n",
        "{}",
        shell.read("log")
    );
}

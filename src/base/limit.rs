//! Every capacity of the program, with its reason.

/// Addresses that one advert can carry: the count is one octet (RFC 9568 section 5.2.5).
pub const ADVERT_ADDRESSES: usize = 255;

/// Octets of the longest advert with its IPv4 header: 20 + AH 24 + 8 + 255 x 16 + trailer 28, rounded up.
pub const ADVERT_OCTETS: usize = 4_352;

/// Adverts taken from a socket by one recvmmsg, and received per source and turn of the loop.
pub const RECEIVE_BATCH: usize = 32;

/// Adverts handed to the kernel by one sendmmsg.
pub const SEND_BATCH: usize = 64;

/// Unicast peers of one instance. keepalived sets no limit; a mesh of 64 routers sends 64 packets an advert.
pub const UNICAST_PEERS: usize = 64;

/// Senders of signed adverts that one instance remembers the last number of. More than eight routers of one virtual
/// router have not been seen; past this the one that has been silent for longest is forgotten, and what it sent can
/// be replayed within the time window.
pub const SIGNED_SENDERS: usize = 16;

/// Octets of the file of a key: 64 octets as hex digits with blanks between, and a comment's worth of spare.
pub const KEY_FILE: usize = 512;

/// Octets of a gratuitous ARP or an unsolicited neighbour advertisement: 14 + 40 + 32.
pub const ANNOUNCEMENT_OCTETS: usize = 86;

/// Octets of one log line; a longer one is cut. An advert's worth of text never comes near.
pub const LOG_LINE: usize = 1_024;

/// Octets of one line of a configuration; keepalived's own limit is 1022 and a newline.
pub const CONFIG_LINE: usize = 1_022;

/// Lines that the expansion of one configuration may reach: 65,024 instances of 60 lines fit.
pub const CONFIG_LINES: usize = 8_000_000;

/// Includes inside includes. keepalived stops when it runs out of files; 32 is deeper than any tree seen.
pub const INCLUDE_DEPTH: usize = 32;

/// Mistakes of a configuration that are told; the rest are only counted.
pub const DIAGNOSTICS: usize = 1_000;

/// Findings of one lint check that are told; the rest are only counted, so that one habit of 10,000 instances does
/// not hide the others.
pub const LINT_FINDINGS: usize = 25;

/// Notify scripts of one instance that wait for the one under way: two of the newest state and two of the stop before
/// it, and the one for a rival of lower priority.
pub const NOTIFY_QUEUE: usize = 5;

/// Run time after which a notify script is killed. keepalived has none; a stuck script would keep all later ones
/// from running. Five minutes is longer than any start of a service that one sees.
pub const NOTIFY_DEADLINE: crate::base::time::Span = crate::base::time::Span::from_secs(300);

/// Addresses put back at once after somebody else deleted them; then the instance steps down.
pub const PUT_BACK_BURST: u16 = 5;

/// Services of the kernel that the configuration may stand for: each address of a group is one. A /16 fits; its
/// table in the kernel has 256 chains by default and is slow long before.
pub const LVS_KEYS: usize = 65_536;

/// Destinations of the kernel that the configuration may stand for: each server of a group is one for each address of
/// the group. 12 octets each; the kernel takes 200 and more.
pub const LVS_DESTINATIONS: usize = 1 << 20;

/// Services of the kernel that are listed with their destinations until the loop goes on: about 50 us each.
pub const LVS_SERVICES_PER_LOOK: usize = 16;

/// Operations on the table of IPVS that are carried out until the loop goes on, in batches: about 5 us each, and a
/// scheduler that has to be loaded first takes longer anyway. A reload may bring hundreds of thousands.
pub const LVS_OPERATIONS_PER_TURN: usize = 16 * NETLINK_BATCH;

/// How often an operation on the table of IPVS is sent again that the kernel had no memory for: with pauses of 10 ms that
/// double, 0.6 s. All others wait for it, and one that could not be carried out by then is left to the next look.
pub const LVS_TRIES: u32 = 6;

/// Destinations that are compared with what is wanted of them until an operation has to be made or the loop goes on:
/// about 0.2 us each.
pub const LVS_LOOKS_PER_PULL: u32 = 4_096;

/// Gratuitous ARPs or neighbour advertisements of one instance in one turn of the loop.
pub const ANNOUNCEMENTS_PER_TURN: usize = 64;

/// Octets of a tracked file that are looked at: a number of 32 bits has 12 with its sign; the rest is for white space.
pub const TRACKED_FILE_OCTETS: usize = 128;

/// Pairs of a running process and a process monitor that counts it. A machine with more of the processes it tracks
/// has other worries; each pair takes 12 octets, and only what is used becomes memory.
pub const MATCHED_PROCESSES: usize = 16_384;

/// Octets of the name of a process: 15, or 63 for a kernel thread, and a newline.
pub const PROCESS_NAME_OCTETS: usize = 64;

/// Octets of a command line that are looked at: more than a line of the configuration can ask for.
pub const COMMAND_LINE_OCTETS: usize = CONFIG_LINE + 2;

/// Processes looked at in one turn of the loop: 8 to 16 system calls and about 10 us each.
pub const PROCESSES_PER_TURN: usize = 24;

/// Interfaces whose driver is asked for the link in one turn of the loop: each may read registers over a serial bus,
/// in about 0.1 ms.
pub const LINKS_POLLED_PER_TURN: usize = 4;

/// Octets of a script's words, with its user and the paths to it, as they are told to the process that runs scripts: more
/// than a line of the configuration has.
pub const SCRIPT_REQUEST: usize = 32_768;

/// Octets of requests that may wait for the process that runs scripts: those of [`RUNNING_NOTIFIES`] scripts at once, of
/// one line of text each, with what the kernel reckons for each packet.
pub const SCRIPT_REQUESTS: usize = 1 << 20;

/// Notify scripts that run at the same time; those of more instances wait in line.
pub const RUNNING_NOTIFIES: usize = 256;

/// Notes that a child leaves to a successor, 32 octets each, in memory that costs nothing until it is written: one of
/// each script, process monitor and delayed interface, one of each signed virtual router and of each router that it
/// hears, and one of each mail. What comes past that begins anew after a crash.
pub const KEPT_NOTES: usize = 65_535;

/// Recipients of alert mail: each has a bit. More people than this are a list on the mail server.
pub const MAIL_RECIPIENTS: usize = 64;

/// Attempts for one message: with the pauses between them about an hour and a half, after which it is no alert.
pub const MAIL_TRIES: u8 = 20;

/// Messages that wait at least, whatever the number of instances; and at most. The oldest makes room for a new one.
pub const MAIL_QUEUE: core::ops::RangeInclusive<usize> = 64..=4_096;

/// Octets of the subject of a message; a longer one, of a very long name, is cut.
pub const MAIL_SUBJECT: usize = 400;

/// Octets of the text of a message.
pub const MAIL_BODY: usize = 400;

/// Octets of lines that wait for the reader of a FIFO, beside the 65,536 that the kernel keeps: about 1,500 lines. The
/// oldest make room for new ones.
pub const FIFO_QUEUE: usize = 65_536;

/// As many octets more for each instance and group: when a link goes all of them tell two lines at once, and the reader
/// has no chance to run in between.
pub const FIFO_QUEUE_EACH: usize = 128;

/// Octets of one line of a FIFO: an instance's name is at most a line of the configuration.
pub const FIFO_LINE: usize = 1_100;

/// Octets that the kernel queues for netlink's monitor if nobody says otherwise (net.core.rmem_default).
pub const MONITOR_QUEUE: usize = 212_992;

/// Octets, halved, that the kernel counts there while one macvlan comes up: half a dozen messages of two pages each.
pub const MONITOR_OCTETS_EACH: usize = 16_384;

/// Octets, halved, that the kernel counts there when an address comes: one message and its head.
pub const MONITOR_OCTETS_ADDRESS: usize = 512;

/// As many octets for addresses at most: those of 8,192. A turn of the loop makes a hundred, and reads as many.
pub const MONITOR_OCTETS_ADDRESSES: usize = 8_192 * MONITOR_OCTETS_ADDRESS;

/// Memberships in multicast groups of one socket that holds nothing else: net.ipv4.igmp_max_memberships as it is unless
/// someone sets it. A socket that may have fewer says so.
pub const GROUPS_PER_SOCKET: usize = 20;

/// Netlink notifications read in one turn.
pub const MONITOR_BUDGET: usize = 256;
/// Netlink requests handed to the kernel by one send. Their 64 acknowledgements of about 1 KiB of kernel
/// memory each fit the default receive buffer (208 KiB) three times.
pub const NETLINK_BATCH: usize = 64;

/// Octets of one netlink request: 16 + 24 and the attributes of a macvlan with the longest name (about 120),
/// doubled and rounded up.
pub const NETLINK_REQUEST_OCTETS: usize = 512;

/// Octets of one netlink acknowledgement with the kernel's explanation; a longer explanation is cut.
pub const NETLINK_ACK_OCTETS: usize = 256;

/// Octets of one part of a netlink dump: the kernel makes parts of at most 32 KiB.
pub const NETLINK_DUMP_OCTETS: usize = 32_768;

/// Attempts at a netlink dump that changes run into.
pub const NETLINK_DUMP_TRIES: usize = 8;

/// Lists of everything that may fail, one upon the other, before the next one waits for [`KERNEL_RETRY`].
pub const FAILED_LISTS: u32 = 16;

/// Netlink notifications taken by one recvmmsg: each touches a page of its own.
pub const MONITOR_BATCH: usize = 8;

/// Octets of one netlink notification. A link with everything that the kernel tells unasked is about 2 KiB.
pub const MONITOR_OCTETS: usize = 16_384;

/// MPLS labels that a route puts on one packet: the kernel's own bound.
pub const LABELS: usize = 16;

/// Octets of one notification of a deleted route or rule. A route with 30 next hops in tunnels is about 2 KiB; a longer
/// one is looked for in a list.
pub const DELETION_OCTETS: usize = 4_096;

/// Kernel settings that are remembered to be restored: 5 an interface and 1,000 interfaces.
pub const SYSCTLS: usize = 5_000;
/// How long a turn of the loop may wait, under load, so that more events share it. With the timer's slack of 50 us this
/// stays below the half millisecond by which an advert may be late.
pub const SHARED_WAKE_UP: crate::base::time::Span = crate::base::time::Span::from_micros(400);

/// How long what comes in all the time may wait in its sockets while no deadline is near: a fiftieth of the shortest
/// usual master-down time. At 40,000 adverts a second on 16 sockets each reading brings five.
pub const SHARED_READING: crate::base::time::Span = crate::base::time::Span::from_millis(2);

/// Instances whose addresses, announcements and scripts one turn of the loop sees to: about 0.07 ms each, for which
/// the adverts of others wait. More would save few system calls.
pub const TAKEOVERS_PER_TURN: usize = 8;

/// Addresses, routes and rules that the instances of one turn have together: about 0.05 ms each.
pub const THINGS_PER_TURN: usize = 64;

/// How long work may go on before adverts that are due are sent and the parent's hellos are answered.
pub const SLICE: crate::base::time::Span = crate::base::time::Span::from_millis(2);

/// Instances that one slice of a start or a reload covers: some tens of microseconds.
pub const INSTANCES_PER_SLICE: usize = 16;

/// Addresses that one slice of a reload looks up: some tens of microseconds.
pub const ADDRESSES_PER_SLICE: usize = 128;

/// After this time what the kernel refused is tried again.
pub const KERNEL_RETRY: crate::base::time::Span = crate::base::time::Span::from_secs(1);

/// Expired deadlines that act in one turn of the loop; the rest act in the next, after the sockets.
pub const DUE_PER_TURN: usize = 256;

/// Events that one poll hands out; more are handed out by the next.
pub const EVENTS_PER_POLL: usize = 256;

/// Lateness of the earliest deadline from which on all sources are emptied before it acts. A router that was stopped for a
/// little more than its master down interval has its rival's adverts in the socket, maybe behind those of two hundred
/// others, and must not become MASTER before it has read them.
pub const LATE: crate::base::time::Span = crate::base::time::Span::from_millis(20);

/// Polls and passes over the ready sources after a stall before expired deadlines act: at 32 packets a pass
/// and source this empties a socket buffer of 8,192 packets, more than the kernel's default keeps.
pub const CATCH_UP_PASSES: usize = 256;

/// Packets taken from the parent's or a child's channel per turn of the loop.
pub const CHANNEL_BATCH: usize = 32;

/// System calls that children may make because one was ended by them: a C library or a kernel has a few that nobody knew
/// of, and who finds more looks for a way out.
pub const MORE_SYSTEM_CALLS: usize = 8;

/// Octets of one packet between parent and child: 110 transitions and some messages of the longest kind.
pub const CHANNEL_PACKET: usize = 1_280;

/// Octets of log lines that wait for a sink that takes none; what comes after is counted as lost. About 300
/// lines: a syslogd that restarts or starts after the daemon misses nothing of a normal start.
pub const LOG_BACKLOG: usize = 32_768;
/// Octets that one configuration may hold in files, or grow to by parameters and sequences: 65,024 instances
/// of 60 lines of 60 octets fit.
pub const CONFIG_OCTETS: usize = 256 << 20;

/// Blocks inside blocks. The language needs five; the rest is for blocks whose closing brace was forgotten.
pub const CONFIG_NESTING: usize = 32;

/// Parameters put into one line, and times its result is looked at again. 1,022 octets cannot use more than
/// 510 parameters; values that are made of empty values could go on for ever.
pub const CONFIG_SUBSTITUTIONS: usize = 1_024;

/// Parameters inside the values of parameters.
pub const PARAMETER_DEPTH: usize = 32;

/// Alternatives that the braces of one include pattern may stand for.
pub const INCLUDE_ALTERNATIVES: usize = 1_024;

/// Octets of a status file that are written by one system call.
pub const STATUS_BUFFER: usize = 16_384;

/// Instances that go into a status file in one turn of the loop: about 0.1 ms, so that a dump of thousands of
/// instances holds up nobody's advert.
pub const STATUS_INSTANCES_PER_TURN: usize = 16;

/// How long an instance that is to begin waits for duplicate address detection. Linux takes up to a second before the
/// first probe and one after each, of which it sends one: twice that, so that a kernel set to three probes is in time.
/// What cannot be used then is told as a fault.
pub const DETECTION_PATIENCE: crate::base::time::Span = crate::base::time::Span::from_secs(4);

/// Octets of a TLS session that are kept until they are a whole message: a handshake message may have 65,535, which a
/// server with a long chain of certificates comes near to, and the record that ends it 16 kB and its frame.
pub const TLS_INCOMING: usize = 65_536 + 18_432;

/// Octets that one read takes from the socket of a check; one buffer serves all checks.
pub const CHECK_RECEIVE: usize = 16_384;

/// Descriptors of the checker child beside the sockets of checks: the loop, netlink, FIFOs, mail, channels, the log, and
/// scripts that are being started.
pub const OTHER_DESCRIPTORS: usize = 64;

/// Octets of the longest message that a check sends: a request with a path and a host of a configuration line each.
pub const CHECK_MESSAGE: usize = 2_560;

/// Octets of a body that are searched for a pattern at a time. keepalived looks at 4 kB; a match of half of this is
/// found wherever the reply is cut, and an empty window of this size takes no pages.
pub const PATTERN_WINDOW: usize = 64 << 10;

/// BFD packets taken from a socket by one recvmmsg, or handed to the kernel by one sendmmsg.
pub const BFD_BATCH: usize = 64;

/// Octets of the queue of a socket that receives BFD packets, which the kernel doubles: 2,700 packets, which are those of
/// 500 sessions at 50 ms in a quarter of a second. A child that did not run for so long finds that no peer was silent; in
/// the usual queue the packets of the first 25 ms would be found, and sessions would end whose packets did not fit.
pub const BFD_QUEUE: usize = 1 << 20;

/// Octets of a BFD packet that are looked at, and of one that leaves: 24 and the 8 of the UDP header; one with the longest
/// authentication section has 52.
pub const BFD_OCTETS: usize = 64;

/// Octets that have come from an SNMP agent and wait to be read: the longest PDU, with what was read behind it.
pub const AGENTX_INBOX: usize = 20 + 65_536;

/// Octets that an SNMP agent has not read yet: a few of the longest answers. An agent that reads nothing has what was asked
/// of it by others answered by nobody, and its session ends.
pub const AGENTX_OUTBOX: usize = 256 << 10;

/// Octets of one answer to an SNMP agent. It passes on over UDP what it is answered; what does not fit is asked for again.
pub const AGENTX_ANSWER: usize = 16_384;

/// Objects that one request asks for many times over; managers ask for the columns of one table.
pub const AGENTX_REPEATERS: usize = 128;

/// Objects that one request of an SNMP agent sets.
pub const AGENTX_SETS: usize = 16;

/// Transitions that wait for an SNMP agent to be told: what 100 virtual routers do when a link fails and comes back. The
/// newest ones count.
pub const AGENTX_NOTICES: usize = 256;

/// Clients of the control socket that are connected at once: a person, a few exporters, and room for those that hang. Those
/// beyond it make the ones leave that say nothing.
pub const CONTROL_CLIENTS: usize = 16;

/// Events that are remembered: some days of a quiet router, and every step of the night in which it was not.
pub const EVENTS: usize = 1_000;

/// Words of 64 bits for the records of events: 131 octets for each of [`EVENTS`], where a transition takes some 60. In memory
/// that costs nothing until it is written.
pub const EVENT_WORDS: usize = 16_384;

/// Changes by hand that are kept: a drained rack has fewer real servers. More are refused.
pub const CHANGES: usize = 4_096;

/// Connections to the monitoring port: two scrapers, a probe, and some browsers. Of more the most silent one goes.
pub const WEB_CLIENTS: usize = 16;

//! Every piece of evidence is put to tshark: its filter selects exactly its frame, at its time, and the Community ID is
//! the one that Wireshark computes.
//!
//! Needs tshark in the path; without it nothing is tested, except in CI, where that is a failure.

use super::support::{captures_in, pcaps, public_captures, read, records_of};
use dissectors::observation::Evidence;
use fingerprints::community;
use fingerprints::record::{EvidenceRow, Record};
use sensor::pipeline::Settings;
use sensor::source::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// So many filters are joined in one run: an argument of a program has an end.
const MOST_AT_ONCE: usize = 400;

/// Tunnels that are not read yet, as Wireshark calls them: what is inside has a Community ID there, and not here.
const CLOSED: [&str; 4] = ["gtp", "capwap.data", "teredo", "0x6400"];

/// Where Wireshark says something else: the capture, of what, and why.
const OTHERWISE: &[(&str, What, &str)] = &[
    ("damaged/suricata-fuzz.pcap", What::Filter, "gives up at a record that lies; we find those that it swallowed"),
    ("it/gopacket-test100.pcapng", What::Time, "simple packet blocks have none; we tell that of the packet before"),
    ("damaged/tcpdump-icmp6_mobileprefix_asan.pcap", What::Time, "a time that leaps alone is told as its neighbours'"),
    ("it/mercury-new-stats-telemetry-test.pcap", What::Time, "likewise"),
    ("other-ot/arkime-arkime_synthetic.pcap", What::Time, "likewise"),
    ("telnet/pcappp-telnet.pcap", What::Time, "likewise"),
    ("dhcp/nfstream-dhcp_big_endian.pcapng", What::Time, "beyond all years, of which we tell the nearest"),
    ("other-ot/emre-PowerlinkEPL-epl.pcap", What::Id, "of POWERLINK's node numbers in place of the addresses"),
    ("damaged/flowlab-17_ah_invalid_payload_length_too_small.pcap", What::Id, "of TCP behind a header of length 0"),
    ("damaged/flowlab-06_geneve_invalid_version.pcap", What::Id, "of what a version that does not exist may carry"),
    ("damaged/tcpdump-icmp6_mobileprefix_asan.pcap", What::Id, "none of a message that is cut"),
    ("other-ot/arkime-arkime_synthetic.pcap", What::Id, "of a tunnel's inside that breaks the tunnel's rules"),
    ("tunnels/pcappp-Vxlan2.pcap", What::Id, "of a tunnel's inside although reserved bits are set"),
    ("tunnels/tcpdump-erspan-type-i-4.pcap", What::Id, "of OSPF with what the tunnel around it left behind"),
    (
        "tunnels/flowlab-14_mpls_pw_control_word_with_sequence.pcap",
        What::Filter,
        "its user says where a label is a pseudowire",
    ),
    ("tunnels/flowlab-17_mpls_pw_outer_qinq_inner_ipv4_udp_cw.pcap", What::Filter, "likewise"),
];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Filter,
    Time,
    Id,
}

#[test]
fn of_our_captures() {
    if !has_tshark() {
        return;
    }
    let mut report = Report::default();
    for input in captures_in(&pcaps()) {
        report.capture(&input, usize::MAX);
    }
    assert!(report.filters > 500 && report.ids > 400, "{report:?}");
    assert!(report.wrong.is_empty(), "{}", report.wrong.join("\n"));
}

#[test]
fn of_public_captures() {
    let (Some(folder), true) = (public_captures(), has_tshark()) else { return };
    let inputs = captures_in(&folder);
    // One run of tshark after the other would take minutes.
    let halves = inputs.chunks(inputs.len().div_ceil(2));
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = halves
            .map(|half| {
                scope.spawn(move || {
                    let mut report = Report::default();
                    for input in half {
                        report.capture(input, MOST_AT_ONCE);
                    }
                    report
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let wrong: Vec<String> = reports.into_iter().flat_map(|report| report.wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What findings say is what was observed: the same filter, and the path below the argument.
#[test]
fn findings_carry_it() {
    let reading = records_of(&[pcaps()], Settings::default());
    let names: BTreeSet<String> = captures_in(&pcaps()).into_iter().map(|input| input.name).collect();
    let rows = reading.records.iter().filter_map(|record| match record {
        Record::Findings(row) => Some(row.evidence.iter()),
        _ => None,
    });
    let rows: Vec<&EvidenceRow> = rows.flatten().collect();
    assert!(rows.len() >= 20, "{} pieces of evidence", rows.len());
    for row in rows {
        let (Some(capture), Some(frame), Some(filter)) = (&row.capture, row.frame, &row.display_filter) else {
            panic!("{row:?}")
        };
        assert!(names.contains(capture), "{row:?}");
        assert!(filter.starts_with(&format!("frame.number == {frame} && ")), "{row:?}");
        let has_ip = filter.contains("ip.addr") || filter.contains("ipv6.addr");
        assert_eq!(row.community_id.is_some(), has_ip, "{row:?}");
    }
}

#[derive(Debug, Default)]
struct Report {
    filters: usize,
    ids: usize,
    wrong: Vec<String>,
}

impl Report {
    fn differs(&mut self, input: &Input, what: What, how: &str) {
        if !OTHERWISE.iter().any(|(name, known, _)| (*name, *known) == (&input.name, what)) {
            self.wrong.push(format!("{}: {how}", input.name));
        }
    }

    /// All evidence of a capture, `most` pieces of it at most, evenly taken.
    fn capture(&mut self, input: &Input, most: usize) {
        let (notebook, _) = read(vec![input.clone()], Settings::default());
        let (mut framed, mut frameless) = (BTreeMap::new(), BTreeMap::new());
        for observation in notebook.observations {
            let filter = observation.evidence.to_string();
            match observation.evidence.frame {
                Some(frame) => drop(framed.insert((frame, filter), observation.evidence)),
                None => drop(frameless.insert(filter, observation.evidence)),
            }
        }
        let step = framed.len().div_ceil(most).max(1);
        let framed: Vec<_> = framed.into_iter().step_by(step).collect();
        self.filters += framed.len();
        for evidence in rounds(framed) {
            self.framed(input, &evidence);
        }
        if most == usize::MAX {
            for some in frameless.into_iter().collect::<Vec<_>>().chunks(MOST_AT_ONCE) {
                self.frameless(input, some);
            }
        }
    }

    /// Services and attempts have no frame of their own, and are found by the time of their first.
    fn frameless(&mut self, input: &Input, evidence: &[(String, Evidence)]) {
        self.filters += evidence.len();
        let filters: Vec<String> = evidence.iter().map(|(filter, _)| format!("({filter})")).collect();
        let shown: BTreeSet<i64> = selected(&input.path, &filters.join(" || ")).values().map(|it| it.nanos).collect();
        let told: BTreeSet<i64> = evidence.iter().map(|(_, evidence)| evidence.time.nanos()).collect();
        for time in shown.symmetric_difference(&told) {
            self.differs(input, What::Time, &format!("selected or told alone: {time}"));
        }
    }

    /// Filters of different frames, joined by "or". Each can select its own frame alone, so together they select all
    /// exactly when each selects its own.
    fn framed(&mut self, input: &Input, evidence: &BTreeMap<u64, (String, Evidence)>) {
        let filters: Vec<String> = evidence.values().map(|(filter, _)| format!("({filter})")).collect();
        let frames = selected(&input.path, &filters.join(" || "));
        for frame in frames.keys().filter(|frame| !evidence.contains_key(frame)) {
            self.differs(input, What::Filter, &format!("frame {frame} is selected too"));
        }
        for (frame, (filter, evidence)) in evidence {
            assert!(filter.starts_with(&format!("frame.number == {frame} && ")), "{}: {filter}", input.name);
            let Some(shown) = frames.get(frame) else {
                self.differs(input, What::Filter, &format!("nothing is selected by {filter}"));
                continue;
            };
            let told = evidence.time.nanos();
            if shown.nanos != told {
                self.differs(input, What::Time, &format!("frame {frame} at {} is told at {told}", shown.nanos));
            }
            let id = community::id(&evidence.flow).unwrap_or_default();
            self.ids += usize::from(!id.is_empty());
            if shown.id != id && !shown.is_closed {
                self.differs(input, What::Id, &format!("{id} of {filter}, tshark {:?}", shown.id));
            }
        }
    }
}

/// Evidence in rounds of different frames.
fn rounds(framed: Vec<((u64, String), Evidence)>) -> Vec<BTreeMap<u64, (String, Evidence)>> {
    let mut rounds: Vec<BTreeMap<u64, (String, Evidence)>> = Vec::new();
    for ((frame, filter), evidence) in framed {
        let free = rounds.iter_mut().find(|round| round.len() < MOST_AT_ONCE && !round.contains_key(&frame));
        match free {
            Some(round) => drop(round.insert(frame, (filter, evidence))),
            None => rounds.push(BTreeMap::from([(frame, (filter, evidence))])),
        }
    }
    rounds
}

/// A frame as tshark shows it.
#[derive(Debug)]
struct Shown {
    nanos: i64,
    /// The Community ID, or nothing.
    id: String,
    /// Whether it has a tunnel that is not read.
    is_closed: bool,
}

impl Shown {
    fn of(line: &str) -> (u64, Self) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, time, id, protocols, gre] = fields.try_into().expect("five fields");
        let (seconds, nanos) = time.split_once('.').unwrap_or(("0", "0"));
        let [seconds, nanos] = [seconds, nanos].map(|digits| digits.parse::<i64>().expect("digits"));
        let nanos = if time.starts_with('-') { -nanos } else { nanos };
        let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        let is_closed = protocols.split(':').chain(gre.split(',')).any(|name| CLOSED.contains(&name));
        let shown = Self { nanos, id: id.to_owned(), is_closed };
        (number.parse().expect("a number"), shown)
    }
}

/// The frames that a filter selects.
fn selected(capture: &Path, filter: &str) -> BTreeMap<u64, Shown> {
    let fields = ["frame.number", "frame.time_epoch", "communityid", "frame.protocols", "gre.proto"];
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(capture).args(["--enable-protocol", "communityid", "-Y", filter, "-T", "fields"]);
    let output = command.args(fields.map(|field| ["-e", field]).as_flattened()).output().expect("tshark starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("not a valid") && !errors.contains("neither a field"), "{filter}: {errors}");
    String::from_utf8(output.stdout).expect("tshark prints text").lines().map(Shown::of).collect()
}

pub(super) fn has_tshark() -> bool {
    let is_there = Command::new("tshark").arg("--version").output().is_ok();
    assert!(is_there || std::env::var_os("CI").is_none(), "tshark is missing");
    if !is_there {
        eprintln!("not tested: there is no tshark");
    }
    is_there
}

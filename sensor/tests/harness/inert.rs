//! Text from the wire is text from a stranger: planted in every field that any dissector fills, in operations, targets,
//! values and the names of captures, it is inert in every table, format and command, and in the lake it is what it was.
//!
//! The table of protocols is walked, so that a later one is covered as it comes.

use super::support::{Recording, otoscope};
use compact_str::ToCompactString;
use dissectors::observation::{
    Activity, Address, Category, Context, Control, Evidence, Fact, FlowId, Host, Operation, Outcome, Transport, Value,
};
use dissectors::{Direction, Field, Observation, Place, Timestamp, protocols};
use fingerprints::record::{CaptureRow, Provenance, Record};
use fingerprints::{CaptureName, Inventory, Rules, Settings};
use outputs::schema::TABLES;
use outputs::{Cell, Lake, Lines, Overlap, Rows, Run, Sink, Table, rfc3339};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// What strangers write. Each begins a cell, a line or a sequence of its own.
const STRANGERS: [&[u8]; 22] = [
    b"=cmd|' /C calc'!A1",
    b"+1+1",
    b"-2+3",
    b"@SUM(1;2)",
    "＝1＋1".as_bytes(),
    b"\t=1",
    b"\r=1",
    b"\n=1",
    b"a;=1+1;\"@x\";\t-1",
    b"a, -b; c-d",
    b"\x1b[2J\x1b]0;title\x07\x1b[31m",
    b"\xc2\x9b31m\xc2\x9dx\xc2\x9c",
    b"\x9b2J\xff\xfe\xc0\xaf",
    "\u{202e}gnp.exe\u{2066}x\u{2069}\u{202c}".as_bytes(),
    "a\u{200b}\u{200d}\u{200e}\u{200f}\u{61c}\u{feff}\u{2060}b".as_bytes(),
    "\u{e0041}\u{fe0f}\u{3164}\u{115f}\u{ad}".as_bytes(),
    b"nul\0nul\x7f",
    b"quote\" and ' and \\ and , and `id` $(id)",
    "one\ntwo\r\nthree\u{2028}four\u{2029}five\u{85}six\u{b}seven\u{c}".as_bytes(),
    b"</script><b>&amp;{{x}}%s%n",
    "ü\u{1f600}e\u{301}".as_bytes(),
    b"long",
];

/// A stranger's text that can be found again.
fn text(stranger: &[u8], mark: &str) -> Vec<u8> {
    let long = if stranger == b"long" { "x".repeat(5_000) } else { String::new() };
    [stranger, mark.as_bytes(), long.as_bytes()].concat()
}

/// Letters that a terminal obeys or hides, by a list of this test's own.
fn moves(letter: char) -> bool {
    let is_hidden = matches!(u32::from(letter), 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x180e | 0x200b..=0x200f
        | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe0fff);
    (letter.is_control() && letter != '\n') || is_hidden
}

#[track_caller]
fn assert_moves_nothing(text: &str, what: &str) {
    let found: BTreeSet<char> = text.chars().filter(|letter| moves(*letter)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
}

/// What a spreadsheet runs: at the front of a cell, whatever it splits at.
fn is_run(cell: &str) -> bool {
    let cell = cell.trim_start_matches(['"', ' ', '\u{feff}']);
    cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && cell.trim_end_matches('"').parse::<f64>().is_err()
}

/// Every rule that is compiled in, and one more for each field, so that whatever it holds is claimed.
fn rules(fields: &[&'static Field]) -> Rules {
    let attributes = ["name", "hostname", "model", "order_code", "firmware", "hardware", "serial", "os", "location"];
    let planted = |field: &&Field| {
        let then = attributes.map(|attribute| format!("{attribute} = \"$1\"")).join(", ");
        let told = attributes.map(|attribute| format!("{attribute} = \"x\"")).join(", ");
        let name = field.name;
        format!(
            "[[rule]]\nid = \"planted-{}\"\nwhen = {{ \"{name}\" = '(?s)^(.*zq.*)$' }}\nthen = {{ {then} }}\nconfidence = 100\n\
             source = \"a test\"\nexamples = [{{ \"{name}\" = \"zq\", {} }}]\n",
            name.replace(['.', '_'], "-"),
            told.replace("\"x\"", "\"zq\"")
        )
    };
    let planted: String = fields.iter().map(planted).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fingerprints/data/rules");
    let files = fs::read_dir(folder).expect("the rules lie there").map(|file| file.expect("it can be read").path());
    let mut texts: Vec<(String, String)> =
        files.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("it can be read"))).collect();
    texts.push(("planted".to_owned(), planted));
    let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Rules::read(texts).unwrap_or_else(|error| panic!("{error}"))
}

fn host(number: u32) -> Host {
    let ip = Ipv4Addr::from_bits(0x0a00_0000 | number);
    Host { context: Context::default(), address: Address::Ip(IpAddr::V4(ip)) }
}

/// An observation of a host at the second of its number.
fn observed(number: u32, protocol: &'static str, fact: impl FnOnce(Place) -> Fact) -> Observation {
    let time = Timestamp::from_micros(1_767_225_600_000_000 + i64::from(number));
    let flow = FlowId {
        transport: Transport::Tcp,
        source: host(number).address,
        source_port: 502,
        destination: host(0xff_ffff).address,
        destination_port: 50_000,
    };
    let place = Place { time, capture: 0, frame: Some(u64::from(number) + 1) };
    let evidence = Evidence { capture: 0, frame: place.frame, time, protocol, flow };
    Observation { time, subject: host(number).into(), fact: fact(place), evidence }
}

/// What was planted: every text by the field, or the kind of place, that it stands in.
struct Planted {
    records: Vec<Record>,
    texts: BTreeMap<String, Vec<String>>,
    captures: Vec<CaptureName>,
}

fn planted() -> Planted {
    let fields: Vec<&'static Field> = protocols::fields().collect();
    let settings = Settings { site: "default".to_owned(), ..Settings::default() };
    let mut inventory = Inventory::new(settings, rules(&fields));
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut number = 0;
    for protocol in protocols::ALL {
        for (place, stranger) in STRANGERS.iter().enumerate() {
            for field in protocol.fields {
                number += 1;
                let value = Value::text(&text(stranger, &format!("zq{number}")));
                // Rules claim no blanks around a value.
                texts.entry(field.name.to_owned()).or_default().push(value.as_text().trim().to_owned());
                inventory.observe(observed(number, protocol.name, |_| Fact::Attribute { field, value }));
            }
            number += 1;
            let word = Operation::word(&text(stranger, &format!("zq{place}")));
            texts.entry(format!("{} operation", protocol.name)).or_default().push(word.to_string());
            let [target, value, reason, claimed] = ["target", "value", "reason", "client host"].map(|what| {
                let value = Value::text(&text(stranger, &format!("zq{number}{what}"))).to_compact_string();
                texts.entry(format!("{} {what}", protocol.name)).or_default().push(value.to_string());
                value
            });
            inventory.observe(observed(number, protocol.name, |first| {
                Fact::Control(Box::new(Control {
                    window: first.time.hour(),
                    client: host(0xff_ffff),
                    client_host: Some(claimed.as_str().into()),
                    client_user: Some(claimed.as_str().into()),
                    server_port: 502,
                    protocol: protocol.name,
                    operation: word.clone(),
                    category: Category::Write,
                    target,
                    value: Some(value),
                    outcome: Outcome::Rejected,
                    reason: Some(reason),
                    image: None,
                    count: 1,
                    first,
                }))
            }));
            inventory.observe(observed(number, protocol.name, |first| {
                Fact::Activity(Box::new(Activity {
                    window: first.time.hour(),
                    client: host(0xff_ffff),
                    server_is_group: false,
                    server_port: 502,
                    protocol: protocol.name,
                    operation: word,
                    direction: Direction::Request,
                    is_control: true,
                    messages: 1,
                    exceptions: 0,
                    unanswered: 1,
                    server_silent: false,
                    first_seen: first.time,
                    last_seen: first.time,
                    first,
                    first_unanswered: None,
                }))
            }));
        }
    }
    let path = format!("{}.pcap", String::from_utf8_lossy(&STRANGERS.concat()));
    let captures = vec![CaptureName { path: path.clone(), capture_id: "c-1".to_owned() }];
    let now = Timestamp::from_micros(1_767_225_600_000_000 + i64::from(number));
    let mut records = inventory.finish(now, &captures);
    records.push(CaptureRow { capture_id: "c-1".to_owned(), path: path.clone(), ..CaptureRow::default() }.into());
    texts.insert("capture".to_owned(), vec![path]);
    Planted { records, texts, captures }
}

/// All texts inside a cell.
fn texts_in(cell: &Cell, into: &mut BTreeSet<String>) {
    match cell {
        Cell::Text(text) => drop(into.insert(text.clone())),
        Cell::Map(entries) => entries.iter().for_each(|(_, value)| texts_in(value, into)),
        other => other.inner().iter().for_each(|inner| texts_in(inner, into)),
    }
}

#[test]
fn planted_in_every_field_it_is_inert_in_every_table_and_format() {
    let Planted { records, texts, captures } = planted();
    assert!(texts.len() > protocols::fields().count() && captures.len() == 1);
    let folder = tempfile::tempdir().expect("a folder of its own");
    let provenance = Provenance { site: "default".into(), sensor: "otoscope".into(), run_id: "r-1".into() };
    let run = Run { provenance: provenance.clone(), version: "1".into(), knowledge: "1".into(), inputs: Vec::new() };
    let mut sink = Lake::create(folder.path(), None).and_then(|lake| lake.begin(run, Overlap::Refuse)).expect("a lake");
    records.iter().try_for_each(|record| sink.record(record)).expect("the lake can be written");
    Box::new(sink).finish().expect("the lake can be written");

    // The lake holds the text itself.
    let lake = Lake::open(folder.path()).expect("it is a lake");
    let mut kept = BTreeSet::new();
    for table in TABLES {
        let rows = lake.read(table).expect("the table can be read");
        let told = Rows::of(table, &records, &provenance);
        assert!(rows.rows == told.rows, "{}: the lake holds what was told", table.name);
        rows.rows.iter().flatten().for_each(|cell| texts_in(cell, &mut kept));
    }
    let all = texts.iter().flat_map(|(place, texts)| texts.iter().map(move |text| (place, text)));
    let lost: Vec<_> = all.filter(|(_, text)| !kept.contains(*text)).collect();
    assert!(lost.is_empty(), "{} texts are in no table: {:?}", lost.len(), &lost[..lost.len().min(5)]);

    for table in TABLES {
        let rows = lake.read(table).expect("the table can be read").newest();
        if !rows.rows.is_empty() {
            formats(folder.path(), &rows);
        }
    }
    json_lines(&records, &provenance, &kept);
    asset_by_asset(folder.path(), &lake);
}

fn stdout(arguments: &[&str], path: &Path) -> String {
    let output = otoscope().arg(arguments[0]).arg(path).args(&arguments[1..]).output().expect("it starts");
    assert_moves_nothing(&String::from_utf8_lossy(&output.stderr), &format!("stderr of {arguments:?}"));
    String::from_utf8(output.stdout).expect("what is printed is UTF-8")
}

/// One table in each format.
fn formats(lake: &Path, rows: &Rows) {
    let name = rows.table.name;
    let table = stdout(&[name, "--format", "table"], lake);
    assert_moves_nothing(&table, name);
    assert_eq!(table.lines().count(), rows.rows.len() + 1, "{name}: a row is a line");
    assert!(table.lines().all(|line| line.chars().count() < 3_000), "{name}: cells are cut");

    let json = stdout(&[name, "--format", "json"], lake);
    assert_moves_nothing(&json, name);
    assert_eq!(json.lines().count(), rows.rows.len() + 2, "{name}: a row is a line");
    let told: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&json).expect("an array of objects");
    for (row, told) in rows.rows.iter().zip(&told) {
        let texts = rows.table.columns.iter().zip(row).filter_map(|(column, cell)| Some((column.name, cell.text()?)));
        texts.for_each(|(column, text)| assert_eq!(told[column].as_str(), Some(text), "{name}.{column}"));
    }

    let csv = stdout(&[name, "--format", "csv"], lake);
    let split = csv.split([';', '\t', '\r', '\n']).find(|piece| is_run(piece));
    assert_eq!(split, None, "{name}: run by who splits elsewhere");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("as many cells")).collect();
    assert_eq!(records.len(), rows.rows.len(), "{name}");
    for (record, row) in records.iter().zip(&rows.rows) {
        for ((told, cell), column) in record.iter().zip(row).zip(rows.table.columns) {
            assert!(!is_run(told), "{name}.{}: {told:?}", column.name);
            match cell {
                Cell::Text(text) => {
                    assert_eq!(told.replace('\'', ""), text.replace('\'', ""), "{name}.{}", column.name);
                }
                Cell::Int(number) => assert_eq!(told, number.to_string()),
                Cell::Time(time) => assert_eq!(told, rfc3339(*time)),
                _ => {}
            }
        }
    }
}

fn json_lines(records: &[Record], provenance: &Provenance, kept: &BTreeSet<String>) {
    let mut stream = Vec::new();
    let mut sink = Box::new(Lines::new(&mut stream, provenance.clone()));
    records.iter().try_for_each(|record| sink.record(record)).expect("a vector takes all");
    sink.finish().expect("a vector takes all");
    let lines = String::from_utf8(stream).expect("JSON is UTF-8");
    assert_moves_nothing(&lines, "JSON lines");
    assert_eq!(lines.lines().count(), records.len());
    let mut told = BTreeSet::new();
    for line in lines.lines() {
        strings_in(&serde_json::from_str(line).expect("an object"), &mut told);
    }
    let lost = kept.iter().find(|text| text.contains("zq") && !told.contains(*text));
    assert_eq!(lost, None);
}

fn strings_in(value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) => drop(into.insert(text.clone())),
        serde_json::Value::Array(values) => values.iter().for_each(|value| strings_in(value, into)),
        serde_json::Value::Object(values) => values.values().for_each(|value| strings_in(value, into)),
        _ => {}
    }
}

/// `asset --why` of one asset for each stranger.
fn asset_by_asset(path: &Path, lake: &Lake) {
    let table = Table::named("assets").expect("a table of the schema");
    let (id, name) = (table.index("asset_id").expect("it has ids"), table.index("name").expect("it has names"));
    let rows = lake.read(table).expect("the table can be read").newest();
    for (place, _) in STRANGERS.iter().enumerate() {
        let row = &rows.rows[place * rows.rows.len() / STRANGERS.len()];
        let id = row[id].text().expect("an id");
        let output = otoscope().args(["asset", id]).arg(path).arg("--why").output().expect("it starts");
        let said = String::from_utf8(output.stdout).expect("what is printed is UTF-8");
        assert!(said.contains(id), "{said}");
        assert_moves_nothing(&said, &format!("asset {:?}", row[name]));
        assert!(said.lines().all(|line| line.chars().count() < 1_000), "{said}");
    }
}

/// The same texts through the wire: a Server header, a Modbus identification, a BACnet object name.
#[test]
fn said_on_the_wire_it_is_inert_in_every_command() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let mut seen = 0;
    for (place, stranger) in STRANGERS.iter().enumerate() {
        let path = folder.path().join(format!("{place}.pcap"));
        fs::write(&path, recorded(&text(stranger, "zq")).into_bytes()).expect("it can be written");
        let summary = stdout(&["read"], &path);
        assert_moves_nothing(&summary, "summary");
        assert!(summary.lines().all(|line| line.chars().count() <= 80 || line.contains("wireshark")), "{summary}");
        seen += usize::from(summary.contains("zq"));
        for arguments in [
            &["read", "--json"] as &[&str],
            &["assets"],
            &["assets", "--format", "json"],
            &["claims"],
            &["operations"],
            &["findings"],
            &["findings", "--format", "json"],
        ] {
            assert_moves_nothing(&stdout(arguments, &path), &format!("{arguments:?} of {place}"));
        }
        for table in ["assets", "claims", "findings"] {
            let csv = stdout(&[table, "--format", "csv"], &path);
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let run = |record: csv::StringRecord| record.iter().find(|cell| is_run(cell)).map(str::to_owned);
            let run = reader.records().find_map(|record| run(record.expect("as many cells")));
            assert_eq!(run, None, "{table} of {place}");
            assert_eq!(csv.split([';', '\t', '\r', '\n']).find(|piece| is_run(piece)), None, "{table} of {place}");
        }
        let why = otoscope().args(["asset", "10.0.0.2"]).arg(&path).arg("--why").output().expect("it starts");
        assert_moves_nothing(&String::from_utf8_lossy(&why.stdout), "asset --why");
    }
    assert!(seen >= STRANGERS.len() - 2, "{seen} summaries show what was said");
}

/// Three servers that say a text of themselves.
fn recorded(text: &[u8]) -> Recording {
    let mut recording = Recording::new();
    let short = &text[..text.len().min(200)];
    let length = u8::try_from(short.len()).expect("it is short");
    let (client, server) = ((1, 40_000), (2, 502));
    let ask = [0, 1, 0, 0, 0, 5, 1, 0x2b, 0x0e, 1, 0];
    // Function 43, MEI type 14: vendor name, product code and revision.
    let objects = [&[0, length][..], short, &[1, 2, b'X', b'9'], &[2, 2, b'V', b'1']].concat();
    let answer = [&[1, 0x2b, 0x0e, 1, 1, 0, 0, 3][..], &objects].concat();
    let size = u16::try_from(answer.len()).expect("it is short").to_be_bytes();
    let answer = [&[0, 1, 0, 0][..], &size, &answer].concat();
    recording.tcp(client, server, 1, 1, &ask);
    recording.tcp(server, client, 1, 12, &answer);

    let line: Vec<u8> = text.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let head = [b"HTTP/1.1 200 OK\r\nServer: ", line.as_slice(), b"\r\nContent-Length: 0\r\n\r\n"].concat();
    let (client, server) = ((1, 40_001), (3, 80));
    recording.tcp(client, server, 1, 1, b"GET / HTTP/1.1\r\nHost: 10.0.0.3\r\n\r\n");
    recording.tcp(server, client, 1, 36, &head);

    let framed = |apdu: &[u8]| {
        let length = u16::try_from(apdu.len() + 4).expect("it is short").to_be_bytes();
        [&[0x81, 0x0a][..], &length, apdu].concat()
    };
    // ReadProperty of device 1's object-name, and its answer: a character string in UTF-8.
    let property = [0x0c, 0x02, 0, 0, 1, 0x19, 77];
    let ask = framed(&[&[1, 4, 0, 5, 9, 12][..], &property].concat());
    let name = [&[0x3e, 0x75, length + 1, 0][..], short, &[0x3f]].concat();
    let answer = framed(&[&[1, 0, 0x30, 9, 12][..], &property, &name].concat());
    for _ in 0..2 {
        recording.datagram(5, (1, 47_808), (4, 47_808), &ask);
        recording.datagram(5, (4, 47_808), (1, 47_808), &answer);
    }
    recording
}

//! What cameras say of themselves over the APIs of their makers, and what is done to them there: Hikvision's ISAPI, Dahua's
//! CGI, Axis' VAPIX.
//!
//! Which target is answered how, and what its words mean, stands in `data/camera_apis.tsv`; what changes something, in
//! `data/camera_operations.tsv`. A target alone proves nothing: what is told is what the answer says, and of a deed what
//! became of it. Of a query nothing is told but what the table knows: passwords of new users stand there.

use crate::dissector::{Field, Side};
use crate::head::{self, Head};
use crate::observation::Category;
use crate::out::Out;
use crate::pending::Command;
use crate::protocols::onvif;
use crate::soap::scope;
use crate::xml::Document;
use compact_str::CompactString;
use std::borrow::Cow;
use std::cell::LazyCell;
use std::sync::LazyLock;

pub(super) static API: Field =
    Field::new("http.camera_api", "The camera maker's API that answered: `isapi`, `dahua`, `vapix`");
pub(super) static VENDOR: Field = Field::new("http.camera_vendor", "A camera's API: who made it");
pub(super) static MODEL: Field = Field::new("http.camera_model", "A camera's API: its model");
pub(super) static FIRMWARE: Field = Field::new("http.camera_firmware", "A camera's API: its firmware");
pub(super) static SERIAL: Field = Field::new("http.camera_serial", "A camera's API: its serial number");
pub(super) static HARDWARE: Field = Field::new("http.camera_hardware", "A camera's API: its hardware");
pub(super) static NAME: Field = Field::new("http.camera_name", "A camera's API: its name");
pub(super) static MAC: Field = Field::new("http.camera_mac", "A camera's API: its MAC address");
pub(super) static KIND: Field = Field::new("http.camera_type", "A camera's API: what kind of device it is");

/// An API: the rows of the table that bear its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Api(&'static str);

impl Api {
    /// The one that a request's target is of.
    pub(super) fn of(target: &[u8]) -> Option<Self> {
        let (path, _) = parts(target)?;
        let known = PATHS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(path));
        known.map(|(_, api)| Self(api))
    }

    /// Tells what an answer says.
    pub(super) fn tell(self, side: Side, body: &[u8], out: &mut Out<'_>) {
        let mut is_told = false;
        let document = LazyCell::new(|| onvif::read(body));
        for row in TABLE.iter().filter(|row| row.api == self.0) {
            let value = match row.form {
                "xml" => of_xml(&document, row.key),
                "json" => json(body, row.key).map(Cow::Borrowed),
                _ => of_lines(body, row.key).map(Cow::Borrowed),
            };
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            is_told = true;
            match scope::mac(&value).filter(|_| row.field.name == MAC.name) {
                Some(mac) => out.text(side, None, row.field, mac.to_string().as_bytes()),
                None => out.text(side, None, row.field, &value),
            }
        }
        if is_told {
            out.text(side, None, &API, self.0.as_bytes());
        }
    }
}

/// What a request asks a camera to do or to take, that changes it.
#[derive(Debug)]
pub(super) struct Deed {
    category: Category,
    /// The path of the table, and what is done there.
    target: &'static str,
    action: &'static str,
    /// Whether its body is a file.
    pub(super) takes_file: bool,
}

impl Deed {
    /// The one that a request is, by its method, its target and the kind of its body.
    pub(super) fn of(method: &[u8], target: &[u8], head: &Head<'_>) -> Option<Self> {
        let (path, query) = parts(target)?;
        let row = DEEDS.iter().find(|row| row.is_at(path) && row.is_by(method) && row.is_asked_by(query))?;
        let kind = head.value("content-type").unwrap_or_default();
        let is_text = onvif::may_hold(head::without_parameters(&kind)) || kind.starts_with(b"application/json");
        // At one address of Axis' a question comes as JSON, and a firmware as a file.
        if row.takes_file && is_text {
            return None;
        }
        Some(Self { category: row.category, target: row.path, action: row.action, takes_file: row.takes_file })
    }

    /// In the words of the operations table.
    pub(super) fn command(&self) -> Command {
        let action = Some(self.action).filter(|action| !action.is_empty());
        let target = CompactString::const_new(self.target.trim_end_matches('*'));
        Command::in_words(self.category, target, action.map(CompactString::const_new))
    }
}

/// The path of a target, and its query.
pub(super) fn parts(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = head::path(target)?;
    Some(head::split_once(path, b'?').unwrap_or((path, &[])))
}

struct DeedRow {
    methods: &'static str,
    /// A star at its end stands for anything.
    path: &'static str,
    /// What the query calls `action`; empty if it does not matter.
    action: &'static str,
    takes_file: bool,
    category: Category,
}

impl DeedRow {
    fn is_at(&self, path: &[u8]) -> bool {
        match self.path.strip_suffix('*') {
            Some(front) => path.get(..front.len()).is_some_and(|path| path.eq_ignore_ascii_case(front.as_bytes())),
            None => path.eq_ignore_ascii_case(self.path.as_bytes()),
        }
    }

    fn is_by(&self, method: &[u8]) -> bool {
        self.methods.split(' ').any(|known| known.as_bytes() == method)
    }

    fn is_asked_by(&self, query: &[u8]) -> bool {
        let mut actions = query.split(|byte| *byte == b'&').filter_map(|pair| pair.strip_prefix(b"action="));
        self.action.is_empty() || actions.any(|action| action.eq_ignore_ascii_case(self.action.as_bytes()))
    }
}

/// What changes a camera: Hikvision's ISAPI guide, Dahua's HTTP API guide, Axis' VAPIX library.
static DEEDS: LazyLock<Vec<DeedRow>> = LazyLock::new(|| DEEDS_TEXT.lines().skip(1).filter_map(deed_row).collect());
const DEEDS_TEXT: &str = include_str!("../../../data/camera_operations.tsv");

fn deed_row(line: &'static str) -> Option<DeedRow> {
    let mut cells = line.split('\t').map(|cell| if cell == "-" { "" } else { cell }).skip(1);
    let mut cell = || cells.next();
    let (methods, path, action, body, category) = (cell()?, cell()?, cell()?, cell()?, cell()?);
    Some(DeedRow { methods, path, action, takes_file: body == "file", category: Category::named(category)? })
}

/// The text of the first child of the root that bears a name.
fn of_xml<'a>(document: &Document<'a>, key: &str) -> Option<Cow<'a, [u8]>> {
    document.root()?.children().find(|child| child.name() == key.as_bytes())?.text()
}

/// `key=value`, a line each.
fn of_lines<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut lines = body.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))
}

/// `"key": "value"`, wherever it stands, or `"key": 1` or `true`, of values without escapes.
pub(super) fn json<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let quoted = [b"\"", key.as_bytes(), b"\""].concat();
    let at = memchr::memmem::find(body, &quoted)?;
    let rest = body.get(at.saturating_add(quoted.len())..)?.trim_ascii_start();
    let value = rest.strip_prefix(b":")?.trim_ascii_start();
    match value.strip_prefix(b"\"") {
        Some(text) => text.get(..memchr::memchr(b'"', text)?).filter(|text| !text.contains(&b'\\')),
        None => value.split(|byte| !byte.is_ascii_alphanumeric()).next().filter(|word| !word.is_empty()),
    }
}

struct Row {
    api: &'static str,
    /// One or several, a blank between.
    paths: &'static str,
    form: &'static str,
    key: &'static str,
    field: &'static Field,
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| TEXT.lines().skip(1).filter_map(row).collect());
const TEXT: &str = include_str!("../../../data/camera_apis.tsv");

/// Each path of the table once, with its API.
static PATHS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let mut all: Vec<_> = TABLE.iter().flat_map(|row| row.paths.split(' ').map(|path| (path, row.api))).collect();
    all.dedup();
    all
});

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next();
    let (api, paths, form, key, name) = (cell()?, cell()?, cell()?, cell()?, cell()?);
    let fields = [&VENDOR, &MODEL, &FIRMWARE, &SERIAL, &HARDWARE, &NAME, &MAC, &KIND];
    let field = fields.into_iter().find(|field| field.name == name)?;
    Some(Row { api, paths, form, key, field })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::http::HTTP;
    use crate::rig::Rig;

    fn told(target: &str, kind: &str, body: &str) -> Vec<String> {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, format!("GET {target} HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n").as_bytes());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        rig.segment(Side::B, format!("{head}{body}").as_bytes());
        let lines = rig.story().into_iter();
        lines.filter_map(|line| Some(line.strip_prefix("10.0.0.2 http.camera_")?.to_owned())).collect()
    }

    #[test]
    fn every_row_of_the_tables_is_read() {
        assert_eq!(TABLE.len(), TEXT.lines().count() - 1);
        assert_eq!(DEEDS.len(), DEEDS_TEXT.lines().count() - 1);
    }

    /// What a request and its answer say was done.
    fn done(request: &str, body: &str, status: &str) -> Vec<String> {
        let mut rig = Rig::tcp(&HTTP);
        let length = body.len();
        rig.segment(Side::A, format!("{request}Content-Length: {length}\r\n\r\n{body}").as_bytes());
        rig.segment(Side::B, format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
        rig.story().into_iter().filter(|line| line.contains(" by ") && !line.contains("logs in")).collect()
    }

    #[test]
    fn what_is_done_to_a_camera_is_told_with_what_became_of_it() {
        let reboot = "PUT /ISAPI/System/reboot HTTP/1.1\r\n";
        let told = |outcome| [format!("A restart by PUT: /ISAPI/System/reboot, {outcome} (frame 1)")];
        assert_eq!(done(reboot, "", "200 OK"), told("accepted"));
        assert_eq!(done(reboot, "", "401 No"), told("rejected (HTTP 401)"));
        let user = "GET /cgi-bin/userManager.cgi?action=addUser&user.Name=x&user.Password=hunter2 HTTP/1.1\r\n";
        assert_eq!(done(user, "", "200 OK"), ["A user by GET: /cgi-bin/userManager.cgi = addUser, accepted (frame 1)"]);
        assert_eq!(
            done("DELETE http://10.0.0.2/isapi/security/Users/2 HTTP/1.1\r\n", "", "200 OK"),
            ["A user by DELETE: /ISAPI/Security/users, accepted (frame 1)"]
        );
        for other in [
            "GET /ISAPI/Security/users",
            "GET /cgi-bin/userManager.cgi?action=getUserInfoAll",
            "GET /axis-cgi/x?action=add",
        ] {
            assert_eq!(done(&format!("{other} HTTP/1.1\r\n"), "", "200 OK"), [""; 0], "{other}");
        }
    }

    /// The hash is the one of FIPS 180-4's example.
    #[test]
    fn a_firmware_is_known_by_its_hash_however_it_comes() {
        let plain = "PUT /ISAPI/System/updateFirmware HTTP/1.1\r\nContent-Type: application/octet-stream\r\n";
        let told =
            |operation: &str, outcome| [format!("A firmware by {operation} of 3 bytes ba7816bf, {outcome} (frame 1)")];
        assert_eq!(done(plain, "abc", "200 OK"), told("PUT: /ISAPI/System/updateFirmware", "accepted"));
        let form =
            "POST /axis-cgi/firmwaremanagement.cgi HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\"x y\"\r\n";
        let parts = "--x y\r\nContent-Type: application/json\r\n\r\n{\"method\": \"upgrade\"}\r\n--x y\r\n\
            Content-Disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\n\r\nabc\r\n--x y--\r\n";
        assert_eq!(done(form, parts, "200 OK"), told("POST: /axis-cgi/firmwaremanagement.cgi", "accepted"));
        let question = form.replace("multipart/form-data; boundary=\"x y\"", "application/json");
        assert_eq!(done(&question, "{\"method\": \"status\"}", "200 OK"), [""; 0]);
        // One that is not whole is no image.
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, format!("{plain}Content-Length: 9\r\n\r\nabc").as_bytes());
        let lines = rig.finish(crate::dissector::Ending::Closed).story();
        let expected = "A firmware by PUT: /ISAPI/System/updateFirmware, unanswered (frame 1)";
        assert!(lines.contains(&expected.to_owned()), "{lines:?}");
    }

    #[test]
    fn cameras_say_what_they_are_over_their_makers_apis() {
        let hikvision = "<?xml version=\"1.0\"?><DeviceInfo version=\"2.0\" xmlns=\"http://www.hikvision.com/ver20/XMLSchema\">\
            <deviceName>Yard</deviceName><model>DS-2CD2043G0-I</model><serialNumber>DS-2CD2043G0-I20190912</serialNumber>\
            <macAddress>44:19:B6:20:10:82</macAddress><firmwareVersion>V5.6.2</firmwareVersion><deviceType>IPCamera</deviceType>\
            </DeviceInfo>";
        let mut lines = told("/ISAPI/System/deviceInfo", "application/xml", hikvision);
        lines.sort();
        assert_eq!(
            lines,
            [
                "api = isapi",
                "firmware = V5.6.2",
                "mac = 44:19:b6:20:10:82",
                "model = DS-2CD2043G0-I",
                "name = Yard",
                "serial = DS-2CD2043G0-I20190912",
                "type = IPCamera",
            ]
        );
        let dahua = "deviceType=31\r\nprocessor=ST7108\r\nserialNumber=6K04A31PAN00001\r\nupdateSerial=IPC-HFW2431S\r\n\
            hardwareVersion=1.00\r\n";
        let lines = told("/cgi-bin/magicBox.cgi?action=getSystemInfo", "text/plain;charset=utf-8", dahua);
        assert!(lines.contains(&"serial = 6K04A31PAN00001".to_owned()), "{lines:?}");
        let lines = told(
            "/cgi-bin/magicBox.cgi?action=getSoftwareVersion",
            "text/plain",
            "version=2.840.0000000.23.R,build:2022-08-16\r\n",
        );
        assert_eq!(lines, ["firmware = 2.840.0000000.23.R,build:2022-08-16", "api = dahua"]);
        let axis = "root.Brand.Brand=AXIS\nroot.Brand.ProdNbr=P3245-LV\nroot.Properties.Firmware.Version=9.80.3.1\n";
        let lines = told("http://10.0.0.2/axis-cgi/param.cgi?action=list", "text/plain", axis);
        assert_eq!(lines, ["vendor = AXIS", "model = P3245-LV", "firmware = 9.80.3.1", "api = vapix"]);
        let json = "{\"apiVersion\": \"1.3\", \"data\": {\"propertyList\": {\"Brand\": \"AXIS\", \"ProdNbr\": \"P3245-LV\", \
            \"SerialNumber\": \"ACCC8E201081\", \"Version\": \"9.80.3.1\"}}}";
        let lines = told("/axis-cgi/basicdeviceinfo.cgi", "application/json", json);
        assert_eq!(
            lines,
            ["vendor = AXIS", "model = P3245-LV", "serial = ACCC8E201081", "firmware = 9.80.3.1", "api = vapix_json"]
        );
    }

    #[test]
    fn what_answers_otherwise_is_no_camera() {
        assert_eq!(told("/cgi-bin/magicBox.cgi?action=getSystemInfo", "text/plain", "no such file"), [""; 0]);
        assert_eq!(told("/other", "text/plain", "serialNumber=1"), [""; 0]);
    }
}

//! What cameras say of themselves over the APIs of their makers: Hikvision's ISAPI, Dahua's CGI, Axis' VAPIX.
//!
//! Which target is answered how, and what its words mean, stands in `data/camera_apis.tsv`. A target alone proves nothing:
//! what is told is what the answer says.

use crate::dissector::{Field, Side};
use crate::out::Out;
use crate::protocols::onvif;
use crate::soap::scope;
use std::borrow::Cow;
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
        // In its absolute form a target begins with a scheme and a host (RFC 9112, 3.2.2).
        let path = match memchr::memmem::find(target, b"://") {
            Some(at) if at < LONGEST_SCHEME => {
                let rest = target.get(at.saturating_add(3)..).unwrap_or_default();
                rest.get(memchr::memchr(b'/', rest)?..)?
            }
            _ => target,
        };
        let path = path.split(|byte| *byte == b'?').next()?;
        let row =
            TABLE.iter().find(|row| row.paths.split(' ').any(|known| known.as_bytes().eq_ignore_ascii_case(path)))?;
        Some(Self(row.api))
    }

    /// Tells what an answer says.
    pub(super) fn tell(self, side: Side, body: &[u8], out: &mut Out<'_>) {
        let mut is_told = false;
        for row in TABLE.iter().filter(|row| row.api == self.0) {
            let value = match row.form {
                "xml" => of_xml(body, row.key),
                "json" => of_json(body, row.key).map(Cow::Borrowed),
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

/// The text of the first child of the root that bears a name.
fn of_xml<'a>(body: &'a [u8], key: &str) -> Option<Cow<'a, [u8]>> {
    let document = onvif::read(body);
    let root = document.root()?;
    let text = root.children().find(|child| child.name() == key.as_bytes())?.text()?;
    Some(Cow::Owned(text.into_owned()))
}

/// `key=value`, a line each.
fn of_lines<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut lines = body.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))
}

/// `"key": "value"`, wherever it stands, of values without escapes.
fn of_json<'a>(body: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let quoted = [b"\"", key.as_bytes(), b"\""].concat();
    let at = memchr::memmem::find(body, &quoted)?;
    let rest = body.get(at.saturating_add(quoted.len())..)?.trim_ascii_start();
    let value = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    value.get(..memchr::memchr(b'"', value)?).filter(|value| !value.contains(&b'\\'))
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

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next();
    let (api, paths, form, key, name) = (cell()?, cell()?, cell()?, cell()?, cell()?);
    let fields = [&VENDOR, &MODEL, &FIRMWARE, &SERIAL, &HARDWARE, &NAME, &MAC, &KIND];
    let field = fields.into_iter().find(|field| field.name == name)?;
    Some(Row { api, paths, form, key, field })
}

const LONGEST_SCHEME: usize = 8;

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
    fn every_row_of_the_table_is_read() {
        assert_eq!(TABLE.len(), TEXT.lines().count() - 1);
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

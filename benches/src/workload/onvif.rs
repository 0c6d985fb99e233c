//! ONVIF (SOAP 1.2 over HTTP/1.1): recorders that look after cameras over connections that are kept, each call with a
//! WS-Security user name token.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, Wire};
use dissectors::Side;
use std::time::Duration;

/// Ten recorders, each with twenty cameras.
pub(super) fn workload(random: &mut Random) -> Cast {
    (0..CAMERAS)
        .map(|number| {
            let start = Duration::from_micros(u64::from(random.between(0, 499_999)));
            (start, Box::new(Recorder::new(number, random)) as Box<dyn Actor>)
        })
        .collect()
}

/// A recorder's connection to one camera.
struct Recorder {
    connection: Connection,
    number: u32,
    calls: u32,
}

impl Recorder {
    fn new(number: u32, random: &mut Random) -> Self {
        let recorder = End::new(10, number / 20, FIRST_CLIENT_PORT + random.short(0, 9_999));
        let connection = Connection::new(recorder, End::new(11, number, PORT), random);
        Self { connection, number, calls: 0 }
    }

    fn request(&self, call: &str, random: &mut Random) -> String {
        let nonce = random.between(1_000_000, 9_999_999);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>\
             <Security s:mustUnderstand=\"1\" xmlns=\"{WSS}secext-1.0.xsd\"><UsernameToken><Username>recorder</Username>\
             <Password Type=\"{PROFILE}#PasswordDigest\">tuOSpGlFlIXsozq4HFNeeGeFLEI=</Password><Nonce>MTIz{nonce}A==</Nonce>\
             <Created xmlns=\"{WSS}utility-1.0.xsd\">2026-11-30T06:00:00Z</Created></UsernameToken></Security></s:Header>\
             <s:Body>{call}</s:Body></s:Envelope>"
        );
        let length = body.len();
        format!(
            "POST /onvif/device_service HTTP/1.1\r\nHost: 10.11.0.{}\r\nContent-Type: application/soap+xml; charset=utf-8\r\n\
             Content-Length: {length}\r\nUser-Agent: recorder/4.2\r\n\r\n{body}",
            self.number
        )
    }

    fn answer(&self, content: &str) -> String {
        let prefixes: String = PREFIXES
            .iter()
            .map(|(prefix, namespace)| format!(" xmlns:{prefix}=\"{namespace}\""))
            .collect::<Vec<_>>()
            .concat();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SOAP-ENV:Envelope{prefixes}><SOAP-ENV:Body>{content}</SOAP-ENV:Body>\
             </SOAP-ENV:Envelope>"
        )
        .replace("SERIAL", &format!("{:06}", self.number));
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nServer: gSOAP/2.8\r\nContent-Type: application/soap+xml; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: keep-alive\r\n\r\n{body}"
        )
    }
}

impl Actor for Recorder {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = now;
        if !self.connection.is_open() {
            at = self.connection.open(at, wire);
        }
        let (call, content) = CALLS[self.calls as usize % CALLS.len()];
        self.calls += 1;
        let (request, answer) = (self.request(call, &mut wire.random), self.answer(content));
        self.connection.send(Side::A, at, request.as_bytes(), wire);
        at += Duration::from_micros(u64::from(wire.random.between(2_000, 30_000)));
        self.connection.send(Side::B, at, answer.as_bytes(), wire);
        at += Duration::from_millis(40);
        self.connection.acknowledge(Side::A, at, wire);
        if self.calls.is_multiple_of(100) {
            at = self.connection.close(at + Duration::from_millis(1), wire);
        }
        at + Duration::from_micros(u64::from(wire.random.between(100_000, 900_000)))
    }
}

const PORT: u16 = 80;
const CAMERAS: u32 = 200;
const WSS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-";
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const PREFIXES: &[(&str, &str)] = &[
    ("SOAP-ENV", "http://www.w3.org/2003/05/soap-envelope"),
    ("SOAP-ENC", "http://www.w3.org/2003/05/soap-encoding"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ("xsd", "http://www.w3.org/2001/XMLSchema"),
    ("wsa5", "http://www.w3.org/2005/08/addressing"),
    ("wsnt", "http://docs.oasis-open.org/wsn/b-2"),
    ("tt", "http://www.onvif.org/ver10/schema"),
    ("tds", "http://www.onvif.org/ver10/device/wsdl"),
    ("trt", "http://www.onvif.org/ver10/media/wsdl"),
    ("tev", "http://www.onvif.org/ver10/events/wsdl"),
    ("tptz", "http://www.onvif.org/ver20/ptz/wsdl"),
    ("timg", "http://www.onvif.org/ver20/imaging/wsdl"),
];
/// Each call and its answer.
const CALLS: &[(&str, &str)] = &[
    (
        "<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>",
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false\
         </tt:DaylightSavings><tt:UTCDateTime><tt:Time><tt:Hour>6</tt:Hour><tt:Minute>0</tt:Minute><tt:Second>0</tt:Second>\
         </tt:Time><tt:Date><tt:Year>2026</tt:Year><tt:Month>11</tt:Month><tt:Day>30</tt:Day></tt:Date></tt:UTCDateTime>\
         </tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
    ),
    (
        "<GetDeviceInformation xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>",
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>AXIS</tds:Manufacturer><tds:Model>P3245-LV</tds:Model>\
         <tds:FirmwareVersion>9.80.3.1</tds:FirmwareVersion><tds:SerialNumber>ACCC8ESERIAL</tds:SerialNumber><tds:HardwareId>7C9\
         </tds:HardwareId></tds:GetDeviceInformationResponse>",
    ),
    (
        "<PullMessages xmlns=\"http://www.onvif.org/ver10/events/wsdl\"><Timeout>PT5S</Timeout><MessageLimit>10</MessageLimit>\
         </PullMessages>",
        "<tev:PullMessagesResponse><tev:CurrentTime>2026-11-30T06:00:00Z</tev:CurrentTime><tev:TerminationTime>\
         2026-11-30T06:01:00Z</tev:TerminationTime><wsnt:NotificationMessage><wsnt:Topic>tns1:VideoSource/MotionAlarm</wsnt:Topic>\
         <wsnt:Message><tt:Message UtcTime=\"2026-11-30T06:00:00Z\"><tt:Source><tt:SimpleItem Name=\"Source\" Value=\"0\"/>\
         </tt:Source><tt:Data><tt:SimpleItem Name=\"State\" Value=\"true\"/></tt:Data></tt:Message></wsnt:Message>\
         </wsnt:NotificationMessage></tev:PullMessagesResponse>",
    ),
    (
        "<ContinuousMove xmlns=\"http://www.onvif.org/ver20/ptz/wsdl\"><ProfileToken>main</ProfileToken></ContinuousMove>",
        "<tptz:ContinuousMoveResponse/>",
    ),
];

//! Calls as HTTP carries them.

use crate::dissector::Ending;
use crate::protocols::http::HTTP;
use crate::rig::Rig;
use crate::side::Side;
use std::fmt::Write as _;

/// An envelope around some content, whose namespaces have prefixes that nobody else uses.
fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><x:Envelope xmlns:x=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:d=\"http://www.onvif.org/ver10/device/wsdl\" xmlns:m=\"http://www.onvif.org/ver20/media/wsdl\" \
         xmlns:s=\"http://www.onvif.org/ver10/schema\" xmlns:e=\"http://www.onvif.org/ver10/error\"><x:Body>{content}</x:Body>\
         </x:Envelope>"
    )
}

fn request(content: &str) -> String {
    let body = envelope(content);
    format!(
        "POST /onvif/device_service HTTP/1.1\r\nHost: 10.0.0.2\r\nContent-Type: application/soap+xml; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn response(status: &str, content: &str) -> String {
    let body = envelope(content);
    format!("HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What a call and its answer tell, of ONVIF alone.
fn told(asked: &str, status: &str, answered: &str) -> Vec<String> {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, request(asked).as_bytes());
    rig.segment(Side::B, response(status, answered).as_bytes());
    of_onvif(rig.story())
}

fn of_onvif(story: Vec<String>) -> Vec<String> {
    let is_http = |line: &String| {
        line.ends_with(" serves")
            || line.contains(" request POST")
            || line.contains(" response 200")
            || line.contains("http.")
    };
    story.into_iter().filter(|line| !is_http(line)).collect()
}

const FAULT: &str = "<x:Fault><x:Code><x:Value>x:Sender</x:Value><x:Subcode><x:Value>e:NotAuthorized</x:Value></x:Subcode>\
    </x:Code><x:Reason><x:Text>Sender not Authorized</x:Text></x:Reason></x:Fault>";

#[test]
fn a_device_says_what_it_is() {
    let answer = "<d:GetDeviceInformationResponse><d:Manufacturer>Hikvision</d:Manufacturer><d:Model>DS-2CD2043G0-I</d:Model>\
        <d:FirmwareVersion>V5.6.2 build 190701</d:FirmwareVersion><d:SerialNumber>DS-1 &amp; 2</d:SerialNumber>\
        <d:HardwareId>88</d:HardwareId></d:GetDeviceInformationResponse>";
    assert_eq!(
        told("<d:GetDeviceInformation/>", "200 OK", answer),
        [
            "A request GetDeviceInformation",
            "B response GetDeviceInformation",
            "10.0.0.2 onvif.manufacturer = Hikvision",
            "10.0.0.2 onvif.model = DS-2CD2043G0-I",
            "10.0.0.2 onvif.firmware = V5.6.2 build 190701",
            "10.0.0.2 onvif.serial = DS-1 & 2",
            "10.0.0.2 onvif.hardware_id = 88",
            "10.0.0.2 is lax to 10.0.0.1: NoLogin, device settings read",
        ]
    );
}

#[test]
fn operations_are_known_by_namespace_and_those_of_one_name_by_their_service() {
    let service = |prefix: &str| told(&format!("<{prefix}:GetServiceCapabilities/>"), "200 OK", "");
    assert_eq!(service("d"), ["A request device.GetServiceCapabilities"]);
    assert_eq!(service("m"), ["A request media2.GetServiceCapabilities"]);
    assert_eq!(service("s"), [""; 0], "no service");
    let unknown = "<u:GetX xmlns:u='http://www.onvif.org/ver99/new/wsdl'/>";
    assert_eq!(told(unknown, "200 OK", ""), ["A request GetX"]);
    assert_eq!(told("<GetDeviceInformation xmlns='urn:other'/>", "200 OK", ""), [""; 0]);
}

#[test]
fn what_changes_something_is_told_with_its_outcome() {
    let set = "<d:SetHostname><d:Name>door-7</d:Name></d:SetHostname>";
    assert_eq!(
        told(set, "200 OK", "<d:SetHostnameResponse/>"),
        [
            "A request SetHostname control",
            "B response SetHostname",
            "A config by SetHostname: device = door-7, accepted (frame 1)",
            "10.0.0.2 is lax to 10.0.0.1: NoLogin, device settings changed",
        ]
    );
    assert_eq!(
        told(set, "400 Bad Request", FAULT),
        [
            "A request SetHostname control",
            "B response 400 exception",
            "B response SetHostname exception",
            "A config by SetHostname: device = door-7, rejected (NotAuthorized) (frame 1)",
        ]
    );
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, request("<d:SystemReboot/>").as_bytes());
    rig.segment(Side::B, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    rig.segment(Side::A, request("<d:SystemReboot/>").as_bytes());
    let lines = of_onvif(rig.finish(Ending::Closed).story());
    assert_eq!(
        lines,
        [
            "A request SystemReboot control",
            "B response 401 exception",
            "A restart by SystemReboot: device, rejected (HTTP 401) (frame 1)",
            "A request SystemReboot control",
            "A request POST unanswered since frame 3",
            "A request SystemReboot unanswered since frame 3 control",
            "A restart by SystemReboot: device, unanswered (frame 3)",
        ]
        .into_iter()
        .filter(|line| !line.contains(" POST "))
        .collect::<Vec<_>>()
    );
}

/// A call with something in its envelope's header and in its carrier's, and what of logins and of what stands open is told.
fn access(call: &str, (header, head): (&str, &str), (status, answer): (&str, &str)) -> Vec<String> {
    let body = envelope(call).replace("<x:Body>", &format!("<x:Header>{header}</x:Header><x:Body>"));
    let length = body.len();
    let mut rig = Rig::tcp(&HTTP);
    let request = format!(
        "POST /onvif/device_service HTTP/1.1\r\n{head}Content-Type: application/soap+xml\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    );
    rig.segment(Side::A, request.as_bytes());
    rig.segment(Side::B, response(status, answer).as_bytes());
    let lines = rig.finish(Ending::Unseen).story().into_iter();
    lines.filter(|line| line.contains(" logs in") || line.contains(" is lax")).collect()
}

const TOKEN: &str = "<w:Security xmlns:w='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'>\
    <w:UsernameToken><w:Username>guard</w:Username><w:Password>hunter2</w:Password></w:UsernameToken></w:Security>";
const DIGEST: &str = "Authorization: Digest username=\"guard\", realm=\"r\", nonce=\"n\", uri=\"/\", \
    response=\"8ca523f5e9506fed4657c9700eebdbec\"\r\n";
const USERS: (&str, &str) = ("200 OK", "<d:GetUsersResponse/>");

#[test]
fn a_login_is_told_with_what_the_answer_makes_of_it() {
    let by = |scheme, outcome, exposure| {
        [format!("10.0.0.1 logs in to 10.0.0.2 by {scheme}, {outcome}, {exposure} (frame 1)")]
    };
    let challenge = "401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"m\"";
    let stale = "401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"m\", stale=true";
    let refused = ("400 Bad Request", FAULT);
    let other = FAULT.replace("NotAuthorized", "InvalidArgVal");
    let hostname = "<d:GetHostname/>";
    for (call, answer, outcome) in [
        ("<d:GetUsers/>", USERS, "accepted"),
        ("<d:GetUsers/>", refused, "rejected"),
        ("<d:GetUsers/>", ("401 No", ""), "rejected"),
        ("<d:GetUsers/>", (challenge, ""), "unknown"),
        ("<d:GetUsers/>", (challenge, FAULT), "rejected"),
        ("<d:GetUsers/>", ("400 Bad Request", &other), "unknown"),
        (hostname, ("200 OK", "<d:GetHostnameResponse/>"), "unknown"),
    ] {
        assert_eq!(
            access(call, (TOKEN, ""), answer),
            by("wsse_text as guard", outcome, "cleartext"),
            "{call} {answer:?}"
        );
    }
    for (call, answer, outcome) in [
        ("<d:GetUsers/>", USERS, "accepted"),
        ("<d:GetUsers/>", refused, "rejected"),
        ("<d:GetUsers/>", (challenge, ""), "rejected"),
        ("<d:GetUsers/>", (stale, ""), "unknown"),
        ("<d:GetUsers/>", (stale, FAULT), "unknown"),
        (hostname, ("200 OK", "<d:GetHostnameResponse/>"), "unknown"),
    ] {
        assert_eq!(
            access(call, ("", DIGEST), answer),
            by("digest_md5 as guard in r", outcome, "hash"),
            "{call} {answer:?}"
        );
    }
}

#[test]
fn who_does_something_is_told_by_the_name_of_the_login() {
    let body = envelope("<d:SystemReboot/>").replace("<x:Body>", &format!("<x:Header>{TOKEN}</x:Header><x:Body>"));
    for (head, body, user) in [("", body.as_str(), "guard"), (DIGEST, &envelope("<d:SystemReboot/>"), "guard")] {
        let (length, kind) = (body.len(), "Content-Type: application/soap+xml");
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(
            Side::A,
            format!("POST /x HTTP/1.1\r\n{head}{kind}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        );
        rig.segment(Side::B, response("200 OK", "<d:SystemRebootResponse/>").as_bytes());
        let told = format!("A as {user} restart by SystemReboot: device, accepted (frame 1)");
        let lines = rig.story();
        assert!(lines.contains(&told), "{lines:?}");
    }
}

#[test]
fn what_is_done_without_a_login_stands_open() {
    let lax = |what| vec![format!("10.0.0.2 is lax to 10.0.0.1: NoLogin, {what}")];
    let reboot = ("200 OK", "<d:SystemRebootResponse/>");
    assert_eq!(access("<d:GetUsers/>", ("", ""), USERS), lax("users, logs or backups read"));
    assert_eq!(access("<d:SystemReboot/>", ("", ""), reboot), lax("restart, reset or firmware"));
    for (call, head, answer) in [
        ("<d:GetHostname/>", "", ("200 OK", "<d:GetHostnameResponse/>")),
        ("<d:GetUsers/>", "", ("400 Bad Request", FAULT)),
        ("<d:GetUsers/>", "", ("200 OK", "<other/>")),
        ("<d:GetUsers/>", "Cookie: session=1\r\n", USERS),
        ("<d:GetUsers/>", "Authorization: Own x\r\n", USERS),
    ] {
        assert!(access(call, ("", head), answer).is_empty(), "{call} {head:?} {answer:?}");
    }
    let unread =
        "<w:Security xmlns:w='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'/>";
    assert!(access("<d:GetUsers/>", (unread, ""), USERS).is_empty());
}

#[test]
fn a_key_that_anybody_can_read_is_told_of_and_never_told() {
    for (call, what) in [
        (
            "<d:LoadCertificateWithPrivateKey><d:CertificateWithPrivateKey><s:PrivateKey><s:Data>hunter2</s:Data></s:PrivateKey>\
          </d:CertificateWithPrivateKey></d:LoadCertificateWithPrivateKey>",
            "private key",
        ),
        (
            "<d:SetNetworkInterfaces><d:NetworkInterface><s:Extension><s:Dot11><s:Security><s:PSK><s:Key>hunter2</s:Key></s:PSK>\
          </s:Security></s:Dot11></s:Extension></d:NetworkInterface></d:SetNetworkInterfaces>",
            "wireless key",
        ),
        (
            "<a:UploadPassphrase xmlns:a='http://www.onvif.org/ver10/advancedsecurity/wsdl'><a:Passphrase>hunter2</a:Passphrase>\
          </a:UploadPassphrase>",
            "passphrase",
        ),
    ] {
        let lines = told(call, "200 OK", "");
        assert!(lines.contains(&format!("10.0.0.2 is lax to 10.0.0.1: Key, {what}")), "{lines:?}");
        assert!(!lines.concat().contains("hunter"), "{lines:?}");
        let empty = told(&call.replace("hunter2", ""), "200 OK", "");
        assert!(!empty.concat().contains("Key, "), "{empty:?}");
    }
}

/// The hash is the one of FIPS 180-4's example.
#[test]
fn a_firmware_is_known_by_its_hash() {
    let call = envelope(
        "<d:UpgradeSystemFirmware><d:Firmware><i:Include href='cid:f'/></d:Firmware></d:UpgradeSystemFirmware>",
    );
    let body = format!(
        "--u\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\n\r\n{call}\r\n--u\r\n\
         Content-Type: application/octet-stream\r\nContent-ID: <f>\r\n\r\nabc\r\n--u--\r\n"
    );
    let head = "POST /x HTTP/1.1\r\nContent-Type: multipart/related; type=\"application/xop+xml\"; boundary=u\r\n";
    let length = body.len();
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes());
    rig.segment(Side::B, response("200 OK", "<d:UpgradeSystemFirmwareResponse/>").as_bytes());
    let told = "A firmware by UpgradeSystemFirmware: device of 3 bytes ba7816bf, accepted (frame 1)".to_owned();
    let lines = rig.story();
    assert!(lines.contains(&told), "{lines:?}");

    let start = "<d:StartFirmwareUpgradeResponse><d:UploadUri>http://10.0.0.2/up/7</d:UploadUri></d:StartFirmwareUpgradeResponse>";
    let upload = |path: &str| {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, request("<d:StartFirmwareUpgrade/>").as_bytes());
        rig.segment(Side::B, response("200 OK", start).as_bytes());
        let head = "Content-Type: application/octet-stream\r\nContent-Length: 3";
        rig.segment(Side::A, format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\nabc").as_bytes());
        rig.segment(Side::B, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        rig.story()
    };
    let told = "A firmware by POST: announced upload of 3 bytes ba7816bf, accepted (frame 3)".to_owned();
    assert!(upload("/up/7").contains(&told), "{:?}", upload("/up/7"));
    assert!(!upload("/up/8").concat().contains("announced"));
}

#[test]
fn users_are_told_without_their_passwords() {
    let create = "<d:CreateUsers><d:User><s:Username>guard</s:Username><s:Password>hunter2</s:Password>\
        <s:UserLevel>Operator</s:UserLevel></d:User></d:CreateUsers>";
    let lines = told(create, "200 OK", "<d:CreateUsersResponse/>");
    assert!(lines.contains(&"A user by CreateUsers: guard = Operator, accepted (frame 1)".to_owned()), "{lines:?}");
    assert!(!lines.concat().contains("hunter"), "{lines:?}");
    let set = "10.0.0.1 logs in to 10.0.0.2 by onvif_user as guard, accepted, cleartext";
    assert!(lines.iter().any(|line| line.starts_with(set)), "{lines:?}");
    let other = "<d:SetRemoteUser><d:RemoteUser><s:Username>vms</s:Username><s:Password>hunter2</s:Password>\
        <s:UseDerivedPassword>false</s:UseDerivedPassword></d:RemoteUser></d:SetRemoteUser>";
    let lines = told(other, "200 OK", "<d:SetRemoteUserResponse/>");
    assert!(lines.iter().any(|line| line.contains("by onvif_stored as vms, unknown, cleartext")), "{lines:?}");
    let kept = "<d:SetUser><d:User><s:Username>guard</s:Username><s:UserLevel>User</s:UserLevel></d:User></d:SetUser>";
    let lines = told(kept, "200 OK", "<d:SetUserResponse/>");
    assert!(!lines.concat().contains("logs in"), "{lines:?}");
    let users = "<d:GetUsersResponse><d:User><s:Username>admin</s:Username><s:Password>hunter2</s:Password><s:UserLevel>\
        Administrator</s:UserLevel></d:User><d:User><s:Username>guard</s:Username><s:UserLevel>Operator</s:UserLevel>\
        </d:User></d:GetUsersResponse>";
    let lines = told("<d:GetUsers/>", "200 OK", users);
    assert!(lines.contains(&"10.0.0.2 onvif.users = admin Administrator, guard Operator".to_owned()), "{lines:?}");
    assert!(!lines.concat().contains("hunter"), "{lines:?}");
}

#[test]
fn a_device_says_where_it_is_reached() {
    let interface = |address: &str| {
        format!(
            "<d:GetNetworkInterfacesResponse><d:NetworkInterfaces token='eth0'><s:Enabled>true</s:Enabled><s:Info><s:Name>eth0\
             </s:Name><s:HwAddress>AC-CC-8E-01-02-03</s:HwAddress></s:Info><s:IPv4><s:Config><s:Manual><s:Address>{address}\
             </s:Address><s:PrefixLength>24</s:PrefixLength></s:Manual></s:Config></s:IPv4></d:NetworkInterfaces>\
             </d:GetNetworkInterfacesResponse>"
        )
    };
    let lines = told("<d:GetNetworkInterfaces/>", "200 OK", &interface("10.0.0.2"));
    assert!(lines.contains(&"10.0.0.2 is at ac:cc:8e:01:02:03 (Told)".to_owned()), "{lines:?}");
    let lines = told("<d:GetNetworkInterfaces/>", "200 OK", &interface("192.168.1.9"));
    assert!(!lines.iter().any(|line| line.contains("is at")), "behind a translation of addresses: {lines:?}");
    assert!(lines.contains(&"10.0.0.2 onvif.address = 192.168.1.9".to_owned()), "{lines:?}");
    let scopes = "<d:GetScopesResponse><d:Scopes><s:ScopeDef>Fixed</s:ScopeDef><s:ScopeItem>onvif://www.onvif.org/name/Front%20\
        door</s:ScopeItem></d:Scopes><d:Scopes><s:ScopeItem>onvif://www.onvif.org/MAC/ACCC8E010203</s:ScopeItem></d:Scopes>\
        </d:GetScopesResponse>";
    let lines = told("<d:GetScopes/>", "200 OK", scopes);
    for line in
        ["scope = onvif://www.onvif.org/name/Front%20door", "scope_name = Front door", "scope_mac = ac:cc:8e:01:02:03"]
    {
        assert!(lines.contains(&format!("10.0.0.2 onvif.{line}")), "{line}: {lines:?}");
    }
    let capabilities = "<d:GetCapabilitiesResponse><d:Capabilities><s:Device><s:XAddr>http://10.0.0.2/onvif</s:XAddr><s:Network/>\
        </s:Device><s:Media><s:XAddr>http://10.0.0.2/onvif</s:XAddr></s:Media><s:Extension><s:Recording>\
        <s:XAddr>http://10.0.0.2/onvif</s:XAddr></s:Recording></s:Extension></d:Capabilities></d:GetCapabilitiesResponse>";
    let lines = told("<d:GetCapabilities/>", "200 OK", capabilities);
    assert!(lines.contains(&"10.0.0.2 onvif.capabilities = Device, Media, Recording".to_owned()), "{lines:?}");
    let protocols = "<d:GetNetworkProtocolsResponse><d:NetworkProtocols><s:Name>HTTP</s:Name><s:Enabled>true</s:Enabled><s:Port>80\
        </s:Port></d:NetworkProtocols><d:NetworkProtocols><s:Name>HTTPS</s:Name><s:Enabled>false</s:Enabled><s:Port>443</s:Port>\
        </d:NetworkProtocols></d:GetNetworkProtocolsResponse>";
    let lines = told("<d:GetNetworkProtocols/>", "200 OK", protocols);
    assert!(lines.contains(&"10.0.0.2 onvif.protocols = HTTP 80, HTTPS 443 off".to_owned()), "{lines:?}");
}

#[test]
fn a_clock_is_compared_with_the_captures() {
    let clock = |hour: u32, minute: u32, second: u32| {
        let answer = format!(
            "<d:GetSystemDateAndTimeResponse><d:SystemDateAndTime><s:UTCDateTime><s:Time><s:Hour>{hour}</s:Hour><s:Minute>{minute}\
             </s:Minute><s:Second>{second}</s:Second></s:Time><s:Date><s:Year>1970</s:Year><s:Month>1</s:Month><s:Day>1</s:Day>\
             </s:Date></s:UTCDateTime></d:SystemDateAndTime></d:GetSystemDateAndTimeResponse>"
        );
        told("<d:GetSystemDateAndTime/>", "200 OK", &answer).pop()
    };
    let ahead = |minutes: u32| Some(format!("10.0.0.2 onvif.clock_ahead = {minutes}"));
    assert_eq!(clock(0, 0, 2), ahead(0));
    assert_eq!(clock(1, 2, 31), ahead(63));
}

#[test]
fn bodies_are_read_however_they_come() {
    let body = envelope("<d:SystemReboot/>");
    let head = "POST / HTTP/1.1\r\nContent-Type: application/soap+xml\r\n";
    let mut chunks = String::new();
    for chunk in body.as_bytes().chunks(7) {
        write!(chunks, "{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)).expect("texts grow");
    }
    let whole = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let marked = format!("{head}Content-Length: {}\r\n\r\n\u{feff}{body}", body.len() + 3);
    for text in [whole, chunked, marked] {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, text.as_bytes());
        assert!(rig.story().contains(&"A request SystemReboot control".to_owned()), "{text}");
    }
    // Of a long one the front is told; of one that is cut what came.
    for (length, sent) in [(1 << 20, 1 << 20), (1 << 20, 4096)] {
        let front = envelope("<d:SystemReboot/>").replace("</x:Body></x:Envelope>", "");
        let text = format!("{head}Content-Length: {length}\r\n\r\n{front}{}", " ".repeat(sent - front.len()));
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, text.as_bytes());
        rig.finish(Ending::Unseen);
        let story = rig.story();
        assert!(story.contains(&"A request SystemReboot control".to_owned()), "{length} {sent}: {story:?}");
    }
}

#[test]
fn answers_belong_to_their_requests_in_a_pipeline() {
    let mut rig = Rig::tcp(&HTTP);
    let reboot = request("<d:SystemReboot/>");
    let hostname = request("<d:SetHostname><d:Name>n</d:Name></d:SetHostname>");
    rig.segment(Side::A, format!("{reboot}{hostname}").as_bytes());
    let answers = [response("400 Bad Request", FAULT), response("200 OK", "<d:SetHostnameResponse/>")].concat();
    rig.segment(Side::B, answers.as_bytes());
    let lines = rig.story();
    for line in [
        "A restart by SystemReboot: device, rejected (NotAuthorized) (frame 1)",
        "A config by SetHostname: device = n, accepted (frame 1)",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
    }
}

//! Headers and addresses as standards show them and devices send them.

use super::*;

fn who(credentials: Option<&Credentials>) -> Option<(&'static str, String, String)> {
    let text = |bytes: &Option<Box<[u8]>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or(b"-")).into_owned();
    credentials.map(|found| (found.scheme, text(&found.username), text(&found.realm)))
}

#[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
fn told(scheme: &'static str, username: &str, realm: &str) -> Option<(&'static str, String, String)> {
    Some((scheme, username.to_owned(), realm.to_owned()))
}

fn read(value: &str) -> Option<Credentials> {
    credentials(value.as_bytes(), b"GET", false)
}

fn proves(found: Option<&Credentials>, password: &[u8]) -> bool {
    found.and_then(|found| found.proof.is_of(password)) == Some(true)
}

/// RFC 7617, 2 and 2.1.
#[test]
fn basic_is_a_user_a_colon_and_the_rest() {
    for (value, user, password) in [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
        ("basic dGVzdDoxMjPCow==", "test", "123\u{a3}"),
        ("BASIC  YTpiOmM6", "a", "b:c:"),
        ("Basic YWRtaW46", "admin", ""),
        ("Basic YWRtaW46MQ", "admin", "1"),
    ] {
        let found = read(value);
        assert_eq!(who(found.as_ref()), told("basic", user, "-"), "{value}");
        assert!(proves(found.as_ref(), password.as_bytes()), "{value}");
    }
    for value in ["Basic", "Basic YWRtaW4=", "Basic ====", "Basic a b", "Basic \u{e9}", "Own YTpi", "", "YTpi"] {
        assert!(read(value).is_none(), "{value}");
    }
}

/// RFC 2617, 3.5.
#[test]
fn the_header_of_rfc_2617_is_read() {
    let found = read(
        r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
         uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b",
         response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
    );
    assert_eq!(who(found.as_ref()), told("digest_md5", "Mufasa", "testrealm@host.com"));
    assert!(proves(found.as_ref(), b"Circle Of Life"));
}

/// RFC 7616, 3.9.1.
#[test]
fn the_headers_of_rfc_7616_are_read() {
    for (algorithm, scheme, response) in [
        ("MD5", "digest_md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "digest_sha256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let found = read(&format!(
            r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm},
             nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
             cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}",
             opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
        ));
        assert_eq!(who(found.as_ref()), told(scheme, "Mufasa", "http-auth@example.org"));
        assert!(proves(found.as_ref(), b"Circle of Life"));
    }
}

/// The form of RFC 2069, as most cameras speak it; the realm holds commas and an escaped quotation mark.
#[test]
fn a_digest_without_protection_is_read_and_so_is_a_realm_with_a_comma() {
    let realm = r#"IP Camera, "north", 2"#;
    let hash = |text: String| crate::proof::hex_of_md5(text.as_bytes());
    let first = hash(format!("admin:{realm}:12345"));
    let second = hash("GET:rtsp://10.0.0.2/1".to_owned());
    let response = hash(format!("{first}:abc:{second}"));
    let header = format!(
        r#"Digest username="admin", realm="IP Camera, \"north\", 2", nonce="abc", uri="rtsp://10.0.0.2/1", response="{response}""#
    );
    let found = read(&header);
    assert_eq!(who(found.as_ref()), told("digest_md5", "admin", realm));
    assert!(proves(found.as_ref(), b"12345"));
    assert!(!proves(credentials(header.as_bytes(), b"DESCRIBE", false).as_ref(), b"12345"), "the method is hashed");
}

#[test]
fn what_is_half_a_digest_is_none() {
    let whole = r#"Digest username="a", realm="r", nonce="n", uri="/", response="8ca523f5e9506fed4657c9700eebdbec""#;
    assert!(read(whole).is_some());
    for missing in [r#"username="a", "#, r#"realm="r", "#, r#"nonce="n", "#, r#"uri="/", "#] {
        assert!(read(&whole.replace(missing, "")).is_none(), "without {missing}");
    }
    for wrong in ["8ca5", "", "8ca523f5e9506fed4657c9700eebdbeg", "8ca523f5e9506fed4657c9700eebdbec00"] {
        assert!(read(&whole.replace("8ca523f5e9506fed4657c9700eebdbec", wrong)).is_none(), "{wrong}");
    }
    assert!(read(&format!("{whole}, algorithm=SHA-256")).is_none(), "too short for it");
    assert!(read(&format!("{whole}, algorithm=own")).is_none());
}

/// RFC 7616, 3.4.4 and 3.9.2.
#[test]
fn user_names_may_be_hashed_or_extended() {
    let rest = r#"realm="r", nonce="n", uri="/", response="8ca523f5e9506fed4657c9700eebdbec""#;
    let hashed = read(&format!(r#"Digest username="4888", userhash=true, {rest}"#));
    assert_eq!(who(hashed.as_ref()), told("digest_md5", "-", "r"));
    assert_eq!(hashed.and_then(|found| found.proof.is_of(b"x")), None);
    let extended = read(&format!("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, {rest}"));
    assert_eq!(who(extended.as_ref()), told("digest_md5", "J\u{e4}s\u{f8}n Doe", "r"));
}

#[test]
fn a_bearer_s_token_is_not_kept() {
    let found = read("Bearer mF_9.B5f-4.1JqM").expect("a login");
    assert_eq!((found.scheme, found.proof), ("bearer", Proof::Token));
}

#[test]
fn a_stale_nonce_is_no_refusal() {
    assert_eq!(outcome(401, || false), Outcome::Rejected);
    assert_eq!(outcome(401, || true), Outcome::Unknown);
    assert_eq!(outcome(407, || false), Outcome::Rejected);
    assert_eq!([200, 204, 304].map(|status| outcome(status, || false)), [Outcome::Accepted; 3]);
    assert_eq!([100, 301, 302, 400, 403, 404, 454, 500].map(|status| outcome(status, || false)), [Outcome::Unknown; 8]);
}

#[test]
fn addresses_hold_logins_in_several_places() {
    for (target, user, password) in [
        ("rtsp://admin:12345@10.0.0.2/1", "admin", "12345"),
        ("rtsp://admin:p%40ss:w@rd@10.0.0.2:554/h264?x=1", "admin", "p@ss:w@rd"),
        ("rtsp://a:@10.0.0.2", "a", ""),
        ("/cgi-bin/video.cgi?user=admin&pwd=a+b%2B", "admin", "a b+"),
        ("/decoder_control.cgi?loginuse=admin&loginpas=888888", "admin", "888888"),
        ("/user=admin&password=&channel=1&stream=0.sdp", "admin", ""),
        ("rtsp://10.0.0.2:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream", "admin", "tlJwpbo6"),
        ("/a?Password=1%&USERNAME=u", "u", "1%"),
    ] {
        let found = url(target.as_bytes());
        assert_eq!(who(found.as_ref()), told("url", user, "-"), "{target}");
        assert!(proves(found.as_ref(), password.as_bytes()), "{target}");
    }
    for target in
        ["/", "rtsp://10.0.0.2/a@b:c", "rtsp://user@host/", "/?user=a", "/?password=a", "/user=a", "*", "a://"]
    {
        assert!(url(target.as_bytes()).is_none(), "{target}");
    }
    let found = form(b"username=admin&password=pass%3Dword&submit=");
    assert_eq!(who(found.as_ref()), told("form", "admin", "-"));
    assert!(proves(found.as_ref(), b"pass=word"));
}

/// ONVIF Application Programmer's Guide 1.0, 6.1.1.3.
#[test]
fn the_token_of_the_onvif_guide_is_read() {
    let nonce = b"LKqI6G/AikKCQrN0zqZFlg==";
    let proof = token_digest(nonce, b"2010-09-16T07:50:45Z", b"tuOSpGlFlIXsozq4HFNeeGeFLEI=").expect("a digest");
    assert_eq!(proof.is_of(b"userpassword"), Some(true));
    assert_eq!(proof.is_of(b"userpasswore"), Some(false));
    assert!(token_digest(nonce, b"", b"tuOSpGlF").is_none());
}

//! User name tokens of WS-Security (OASIS `UsernameToken` profile 1.1, 3.1): a user, and a password or its digest.

use super::{SECURITY, UTILITY};
use crate::authorization::{Credentials, token_digest};
use crate::proof::Proof;
use crate::xml::Element;

/// Who a token is of, and what proves it. A token without a password is no login.
pub(super) fn read(token: Element<'_, '_>) -> Option<Credentials> {
    let username = token.child(SECURITY, "Username")?.text()?;
    let password = token.child(SECURITY, "Password")?;
    let (scheme, proof) = if password.attribute("Type").is_some_and(|kind| kind.ends_with(b"#PasswordDigest")) {
        let text = |space, name| token.child(space, name).and_then(Element::text).unwrap_or_default();
        let (nonce, created) = (text(SECURITY, "Nonce"), text(UTILITY, "Created"));
        ("wsse_digest", token_digest(&nonce, &created, &password.text()?)?)
    } else {
        // Where no kind is said it is the password.
        ("wsse_text", Proof::Clear(password.secret()?))
    };
    Some(Credentials { scheme, username: Some(username.into()), realm: None, proof })
}

#[cfg(test)]
mod tests {
    use crate::authorization::Credentials;
    use crate::soap::{self, Envelope};
    use crate::xml::Document;

    const KIND: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#Password";

    fn login(token: &str) -> Option<Credentials> {
        let text = format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:w='http://docs.oasis-open.org/wss/2004/01/\
             oasis-200401-wss-wssecurity-secext-1.0.xsd' xmlns:u='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-\
             wssecurity-utility-1.0.xsd'><s:Header><w:Security s:mustUnderstand='1'><w:UsernameToken>{token}\
             </w:UsernameToken></w:Security></s:Header><s:Body><x/></s:Body></s:Envelope>"
        );
        Envelope::of(&Document::read(text.as_bytes(), soap::space)).and_then(Envelope::login)
    }

    fn user_and_scheme(login: &Credentials) -> (&str, Option<&[u8]>) {
        (login.scheme, login.username.as_deref())
    }

    /// ONVIF Application Programmer's Guide 1.0, 6.1.1.3.
    #[test]
    fn the_token_of_the_onvif_guide_is_recomputed() {
        let token = format!(
            "<w:Username>user</w:Username><w:Password Type='{KIND}Digest'>tuOSpGlFlIXsozq4HFNeeGeFLEI=</w:Password>\
             <w:Nonce EncodingType='x'>LKqI6G/AikKCQrN0zqZFlg==</w:Nonce><u:Created>2010-09-16T07:50:45Z</u:Created>"
        );
        let found = login(&token).expect("a login");
        assert_eq!(user_and_scheme(&found), ("wsse_digest", Some(&b"user"[..])));
        assert_eq!(found.proof.is_of(b"userpassword"), Some(true));
        assert_eq!(found.proof.is_of(b"userpasswore"), Some(false));
    }

    #[test]
    fn a_password_may_stand_there_as_it_is() {
        for kind in [format!(" Type='{KIND}Text'"), String::new()] {
            let token = format!("<w:Username>a&amp;b</w:Username><w:Password{kind}> p&lt;w:d </w:Password>");
            let found = login(&token).expect("a login");
            assert_eq!(user_and_scheme(&found), ("wsse_text", Some(&b"a&b"[..])));
            assert_eq!(found.proof.is_of(b" p<w:d "), Some(true), "blanks and colons are part of it");
        }
    }

    #[test]
    fn half_a_token_is_none() {
        for token in [
            "<w:Username>a</w:Username>".to_owned(),
            "<w:Password>b</w:Password>".to_owned(),
            format!("<w:Username>a</w:Username><w:Password Type='{KIND}Digest'>c2hvcnQ=</w:Password>"),
        ] {
            assert!(login(&token).is_none(), "{token}");
        }
    }
}

//! Answers: what became of requests, of what they do and of their logins. A head says most of it, and a body may say more.

use super::camera::Api;
use super::rpc::{self, Drawn};
use super::{Asked, Form, Http, REALM, isapi};
use crate::challenge;
use crate::dissector::Side;
use crate::head::Head;
use crate::login::Login;
use crate::observation::{Outcome, Place};
use crate::out::Out;
use crate::pending::Waiting;
use crate::protocols::onvif::{self, Answer};

/// An answer, as far as its body needs it.
#[derive(Debug)]
pub(super) struct Reply {
    answer: Answer,
    /// The API that was asked.
    api: Option<Api>,
    form: Option<Form>,
    /// The login that was answered. In a box, because nearly none has any.
    judged: Option<Box<Judged>>,
}

/// A login, and what the head of its answer makes of it: a body may say more.
#[derive(Debug)]
struct Judged {
    login: Login,
    outcome: Outcome,
    /// Where the request stands.
    place: Place,
}

impl Reply {
    /// The answer with this head to a request, if that is known.
    pub(super) fn of(
        asked: Option<Waiting<Asked>>,
        (api, form): (Option<Api>, Option<Form>),
        code: u16,
        head: &Head<'_>,
        out: &mut Out<'_>,
    ) -> Self {
        let ticket = asked.as_ref().map(|asked| asked.request.ticket);
        let judged = asked.and_then(|asked| settled(asked, code, head, out));
        Self { answer: Answer { ticket, code, is_challenge: challenge::is_asked(head) }, api, form, judged }
    }
}

impl Http {
    /// An answer has ended, and so much of its body was kept.
    pub(super) fn answered(&mut self, side: Side, reply: Reply, body: Option<&[u8]>, out: &mut Out<'_>) {
        let Reply { answer, api, form, judged } = reply;
        let of_body = match (api, form, body) {
            (Some(api), _, Some(body)) => {
                api.tell(side, body, out);
                None
            }
            (_, Some(Form::Dahua), Some(body)) => drawn(side, body, out),
            (_, Some(Form::Hikvision), Some(body)) => match isapi::Said::by(body) {
                Some(isapi::Said::Drawn(session, drawn)) => {
                    out.leave(side, ISAPI, &session, drawn);
                    None
                }
                Some(isapi::Said::Outcome(outcome)) => Some(outcome),
                None => None,
            },
            (_, _, Some(body)) => {
                let document = onvif::read_answer(body);
                self.calls.get_or_insert_default().answered(side, answer, Some(&document), out)
            }
            (_, _, None) => self.calls.as_mut().and_then(|calls| calls.answered(side, answer, None, out)),
        };
        if let Some(Judged { login, outcome, place }) = judged.map(|judged| *judged) {
            let decides = |_: &Outcome| answer.code != UNAUTHORIZED;
            out.login(login, of_body.filter(decides).unwrap_or(outcome), place);
        }
    }
}

/// A request is answered with this head: tells what became of what it does, and what became of its login.
fn settled(mut asked: Waiting<Asked>, code: u16, head: &Head<'_>, out: &mut Out<'_>) -> Option<Box<Judged>> {
    let login = asked.request.login.take();
    match code {
        200..=299 => asked.answered(Outcome::Accepted, out),
        400.. => asked.refused(Some(&onvif::status(code)), out),
        _ => asked.answered(Outcome::Unknown, out),
    }
    let login = *login?;
    let outcome = challenge::outcome(&login, code, head);
    Some(Box::new(Judged { login, outcome, place: asked.place() }))
}

/// Dahua's answer to a login: a challenge, whose realm names the device, or what became of it.
fn drawn(side: Side, answer: &[u8], out: &mut Out<'_>) -> Option<Outcome> {
    if let Some(drawn) = Drawn::of(answer) {
        out.text(side, None, &REALM, drawn.realm());
        if let Some(session) = rpc::session(answer) {
            out.leave(side, RPC, session, drawn);
        }
    }
    rpc::outcome(answer)
}

/// What notes about Dahua's challenges are called, and about Hikvision's.
pub(super) const RPC: &str = "dahua session";
pub(super) const ISAPI: &str = "hikvision session";

const UNAUTHORIZED: u16 = 401;

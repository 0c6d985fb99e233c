//! What two hosts say to each other in the application layer, beyond one message: files that cross, lists that are read
//! element by element, and what becomes of what was asked.

use super::apdu::{Answer, AnswerKind};
use super::command::Guarded;
use super::device::{MODEL_NAME, OBJECT_NAME, SERIAL_NUMBER, Speaker, VENDOR_ID};
use super::file::Files;
use super::lists::Lists;
use super::object::{Object, Property};
use super::pending::Asked;
use super::service::Said;
use super::tag;
use crate::dissector::Field;
use crate::login::Laxity;
use crate::observation::Outcome;
use crate::out::Out;
use crate::pending::Waiting;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use compact_str::format_compact;

/// The state of a conversation in the application layer.
#[derive(Default)]
pub(super) struct Application {
    lists: Lists,
    files: Files,
}

impl Application {
    /// Tells what a message says of who sends it.
    pub(super) fn tell(&mut self, said: &Said<'_>, speaker: Speaker<'_>, out: &mut Out<'_>) {
        match *said {
            Said::Nothing | Said::File(_) => {}
            Said::IAm { device, vendor } => {
                speaker.instance(device, out);
                speaker.number(&VENDOR_ID, vendor, out);
            }
            Said::IHave { device, object, name } => {
                speaker.instance(device, out);
                if object.is_device() {
                    speaker.text(&OBJECT_NAME, name, out);
                }
            }
            Said::WhoAmI { vendor, model, serial } => {
                speaker.number(&VENDOR_ID, vendor, out);
                speaker.text(&MODEL_NAME, model, out);
                speaker.text(&SERIAL_NUMBER, serial, out);
            }
            Said::Properties { form, ref parameters } => {
                let lists = &mut self.lists;
                let mut known = None;
                let mut is_new = |device| known.replace(device) != Some(device);
                let sender = form.walk(parameters.clone(), &mut |held| {
                    if held.object.is_device() && is_new(held.object) {
                        speaker.instance(held.object, out);
                    }
                    speaker.holds(&held, lists, out);
                });
                // It was walked before, and is sound.
                let sender = sender.ok().flatten().filter(|device| is_new(*device));
                if let Some(device) = sender {
                    speaker.instance(device, out);
                }
            }
            Said::Device(device) => speaker.instance(device, out),
            Said::Message { device, text } => {
                speaker.instance(device, out);
                speaker.text(&TEXT_MESSAGE, text, out);
            }
            Said::Private { vendor, service } => {
                let words = format_compact!("vendor {vendor} service {service}");
                out.numbered(speaker.whom, speaker.station, (&PRIVATE_SERVICE, service), &words);
            }
            Said::Terminal => speaker.words(&VIRTUAL_TERMINAL, "gives sessions", out),
        }
    }

    /// A request was answered: what it was to bring about has come about, or not. Who only asked has brought nothing about.
    pub(super) fn answered(
        &mut self,
        mut waiting: Waiting<Asked>,
        answer: &Answer<'_>,
        said: Said<'_>,
        out: &mut Out<'_>,
    ) {
        if let Some(guarded) = waiting.request.errand.as_mut().and_then(|errand| errand.guarded.as_mut()) {
            guarded.hear(answer);
        }
        let asked = &waiting.request;
        let Some(errand) = &asked.errand else { return };
        if let Some(what) = errand.guarded.as_ref().and_then(Guarded::left_open) {
            out.lax(asked.key.asker.other(), asked.key.server.as_ref(), Laxity::NoLogin, what);
        }
        match (answer.kind, said) {
            (AnswerKind::Acknowledged, Said::File(passed)) => {
                if let Some(part) = &errand.part {
                    self.files.pass(&asked.key, part, passed, waiting.place(), out);
                }
            }
            (AnswerKind::Acknowledged, _) => waiting.answered(Outcome::Accepted, out),
            _ => {
                let reason = answer.reason();
                let failed = failed(answer.parameters.clone()).ok();
                let done = failed.and_then(|place| errand.written.iter().position(|known| *known == place));
                let Some(done) = done else { return waiting.refused(reason.as_ref(), out) };
                let end = |at| if at < done { (Outcome::Accepted, None) } else { (Outcome::Rejected, reason.clone()) };
                waiting.ended(end, out);
            }
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.files.tick(now, out);
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.files.finish(out);
    }
}

/// Clause 15.10.2: which of several writes failed first. Those before it were done.
fn failed(mut parameters: Reader<'_>) -> Result<(Object, Property), Stop> {
    tag::error(&mut parameters)?;
    let mut place = tag::enclosed(&mut parameters, 1)?;
    Ok((tag::object(&mut place, 0)?, tag::property(&mut place, 1)?))
}

pub(super) static PRIVATE_SERVICE: Field =
    Field::new("bacnet.private_service", "a service of a vendor's own that it speaks (16.2, 16.3)");
pub(super) static TEXT_MESSAGE: Field =
    Field::new("bacnet.text_message", "the latest line for people that it sent (16.5, 16.6)");
pub(super) static VIRTUAL_TERMINAL: Field =
    Field::new("bacnet.virtual_terminal", "that it gives sessions of its virtual terminal (17.2)");

//! Placeholder.
use crate::dissector::{Dissector, Next, Protocol, Side, Verdict};
use crate::out::Out;
use crate::reader::{Reader, Stop};

pub(crate) static HTTP: Protocol = Protocol {
    name: "http",
    spec: "",
    carriers: &[],
    fields: &[],
    probe: |_, _| Verdict::NotMine,
    max_message: 0,
    relates: true,
    open: || Box::new(Nothing),
};

struct Nothing;

impl Dissector for Nothing {
    fn message(&mut self, _side: Side, _reader: &mut Reader<'_>, _out: &mut Out<'_>) -> Result<Next, Stop> {
        Ok(Next::Enough)
    }
}

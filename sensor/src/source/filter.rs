//! Filter expressions, as tcpdump and Wireshark's capture dialog know them: libpcap compiles them, one program for each
//! link type.

use dissectors::packet::LinkType;
use std::collections::HashMap;

/// Why an expression is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// libpcap does not understand it.
    #[error("--filter '{}': {said} (pcap-filter(7) says what can be written)", outputs::visible(expression))]
    Wrong {
        /// The expression.
        expression: String,
        /// What libpcap says.
        said: String,
    },
    /// There is no libpcap here.
    #[error("--filter needs libpcap, which this program was built without: only Linux has it")]
    Absent,
}

/// A link type for which an expression means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaningless {
    /// Which.
    pub link_type: LinkType,
    /// What libpcap says.
    pub said: String,
    /// How many frames were left out for it.
    pub frames: u64,
}

/// What lets packets through, or not. It sees their captured bytes: `len`, `less` and `greater` ask how many these are.
#[derive(Debug)]
pub(super) struct Filter {
    expression: String,
    programs: HashMap<u32, Result<Program, Meaningless>>,
}

impl Filter {
    /// A filter of this expression. Fails when it cannot be one, whatever the link type.
    pub(super) fn new(expression: &str, link_types: &[LinkType]) -> Result<Self, FilterError> {
        let mut filter = Self { expression: expression.to_owned(), programs: HashMap::new() };
        let mut wrong = None;
        let link_types = if link_types.is_empty() { &[LinkType::Ethernet] } else { link_types };
        for link_type in link_types {
            match filter.program(*link_type) {
                Ok(_) => return Ok(filter),
                Err(meaningless) => wrong = wrong.or(Some(meaningless.said.clone())),
            }
        }
        if !IS_THERE {
            return Err(FilterError::Absent);
        }
        Err(FilterError::Wrong { expression: filter.expression, said: wrong.unwrap_or_default() })
    }

    /// Whether it lets a frame through. Where it means nothing for a link type, it lets none of it.
    pub(super) fn lets_through(&mut self, link_type: LinkType, frame: &[u8]) -> bool {
        match self.program(link_type) {
            Ok(program) => program.lets_through(frame),
            Err(meaningless) => {
                meaningless.frames += 1;
                false
            }
        }
    }

    fn program(&mut self, link_type: LinkType) -> Result<&mut Program, &mut Meaningless> {
        let compiled = self.programs.entry(link_type.number()).or_insert_with(|| {
            Program::compile(link_type, &self.expression).map_err(|said| Meaningless { link_type, said, frames: 0 })
        });
        compiled.as_mut()
    }

    /// Link types of frames for which it meant nothing.
    pub(super) fn into_meaningless(self) -> Vec<Meaningless> {
        let failed = self.programs.into_values().filter_map(Result::err);
        let mut failed: Vec<Meaningless> = failed.filter(|failed| failed.frames > 0).collect();
        failed.sort_by_key(|failed| failed.link_type.number());
        failed
    }
}

#[cfg(target_os = "linux")]
use compiled::{IS_THERE, Program};

#[cfg(target_os = "linux")]
mod compiled {
    use dissectors::packet::LinkType;
    use pcap::{BpfProgram, Capture, Error, Linktype};
    use std::fmt;

    pub(super) const IS_THERE: bool = true;

    /// An expression compiled for a link type.
    pub(super) struct Program(BpfProgram);

    impl fmt::Debug for Program {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Program")
        }
    }

    impl Program {
        pub(super) fn compile(link_type: LinkType, expression: &str) -> Result<Self, String> {
            let compiled = Capture::dead(Linktype(in_memory(link_type.number())))
                .and_then(|capture| capture.compile(expression, true));
            compiled.map(Self).map_err(|error| match error {
                Error::PcapError(said) => said,
                other => other.to_string(),
            })
        }

        pub(super) fn lets_through(&self, frame: &[u8]) -> bool {
            self.0.filter(frame)
        }
    }

    /// libpcap numbers some link types otherwise in its interface than in files (`pcap-common.c`, on Linux).
    fn in_memory(number: u32) -> i32 {
        let number = match number {
            100 => 11, // ATM, RFC 1483
            101 => 12, // raw IP
            102 => 15, // SLIP of BSD/OS
            103 => 16, // PPP of BSD/OS
            106 => 19, // classical IP over ATM
            other => other,
        };
        i32::try_from(number).unwrap_or(i32::MAX)
    }
}

#[cfg(not(target_os = "linux"))]
use absent::{IS_THERE, Program};

#[cfg(not(target_os = "linux"))]
mod absent {
    use dissectors::packet::LinkType;

    pub(super) const IS_THERE: bool = false;

    #[derive(Debug)]
    pub(super) enum Program {}

    impl Program {
        pub(super) fn compile(_link_type: LinkType, _expression: &str) -> Result<Self, String> {
            Err(String::new())
        }

        pub(super) fn lets_through(&self, _frame: &[u8]) -> bool {
            match *self {}
        }
    }
}

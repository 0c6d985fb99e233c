//! What every protocol has to hold against: the captures of `pcaps`, cut, shuffled, counted by others, read by many.
//!
//! Captures of public collections are read too when `OTOSCOPE_CAPTURES` names their folder.

mod harness {
    mod baseline;
    mod books;
    mod certificates;
    mod cli;
    mod config;
    mod credentials;
    mod cuts;
    mod damage;
    mod encapsulate;
    mod engines;
    mod evidence;
    mod extract;
    mod facts;
    mod faults;
    mod gaps;
    mod inert;
    #[cfg(target_os = "linux")]
    mod interfaces;
    mod lake;
    #[cfg(target_os = "linux")]
    mod live;
    mod logins;
    mod manual;
    mod mirror;
    mod negative;
    #[cfg(unix)]
    mod paste;
    mod replay;
    mod secrets;
    mod sight;
    mod slips;
    mod sources;
    mod support;
    mod tshark;
    mod tunnels;
    mod unwrapped;
    mod verify;
    mod webhook;
    mod workers;
}

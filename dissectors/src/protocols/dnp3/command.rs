//! What requests do, in the words of the operations table (IEEE 1815-2012, 4.4 and table 4-2).

use super::application::Fragment;
use crate::observation::Category;
use crate::pending::Command;

/// Whether a request changes the process or the device.
pub(super) fn is_control(function: u8) -> bool {
    matches!(function, WRITE..=ASSIGN_CLASS | RECORD_CURRENT_TIME | DELETE_FILE | ACTIVATE_CONFIGURATION)
}

/// Whether what it carries may change something.
pub(super) fn may_change(function: u8) -> bool {
    is_control(function) || matches!(function, AUTHENTICATION_REQUEST | AUTHENTICATION_REQUEST_NO_ACK)
}

/// Whether an outstation answers it.
pub(super) fn is_answered(function: u8) -> bool {
    !matches!(
        function,
        DIRECT_OPERATE_NO_ACK
            | FREEZE_NO_ACK
            | FREEZE_AND_CLEAR_NO_ACK
            | FREEZE_AT_TIME_NO_ACK
            | AUTHENTICATION_REQUEST_NO_ACK
    )
}

/// What a request does, if it changes anything.
pub(super) fn of(fragment: &Fragment<'_>) -> Option<Command> {
    let (category, target, value) = match fragment.function {
        WRITE => (Category::Write, "objects", None),
        SELECT | OPERATE | DIRECT_OPERATE | DIRECT_OPERATE_NO_ACK => (Category::Operate, "outputs", None),
        FREEZE | FREEZE_NO_ACK => (Category::Write, "counters", Some("frozen")),
        FREEZE_AND_CLEAR | FREEZE_AND_CLEAR_NO_ACK => (Category::Write, "counters", Some("frozen and cleared")),
        FREEZE_AT_TIME | FREEZE_AT_TIME_NO_ACK => (Category::Write, "counters", Some("frozen at a time")),
        COLD_RESTART => (Category::Restart, "device", Some("cold")),
        WARM_RESTART => (Category::Restart, "device", Some("warm")),
        INITIALIZE_DATA => (Category::Config, "data", Some("initialised")),
        INITIALIZE_APPLICATION => (Category::Mode, "application", Some("initialised")),
        START_APPLICATION => (Category::Mode, "application", Some("started")),
        STOP_APPLICATION => (Category::Stop, "application", Some("stopped")),
        SAVE_CONFIGURATION => (Category::Config, "configuration", Some("saved")),
        // Masters do it at each of their starts: it is no change of what the device is set up to do.
        ENABLE_UNSOLICITED => (Category::Write, "unsolicited responses", Some("on")),
        DISABLE_UNSOLICITED => (Category::Write, "unsolicited responses", Some("off")),
        ASSIGN_CLASS => (Category::Config, "classes", None),
        RECORD_CURRENT_TIME => (Category::Time, "clock", Some("recorded")),
        DELETE_FILE => (Category::File, "file", Some("deleted")),
        ACTIVATE_CONFIGURATION => (Category::Config, "configuration", Some("activated")),
        _ => return None,
    };
    Some(Command { category, target: target.into(), value: value.map(Into::into) })
}

pub(super) const WRITE: u8 = 2;
pub(super) const SELECT: u8 = 3;
pub(super) const OPERATE: u8 = 4;
pub(super) const DIRECT_OPERATE: u8 = 5;
pub(super) const DIRECT_OPERATE_NO_ACK: u8 = 6;
pub(super) const FREEZE: u8 = 7;
pub(super) const FREEZE_NO_ACK: u8 = 8;
pub(super) const FREEZE_AND_CLEAR: u8 = 9;
pub(super) const FREEZE_AND_CLEAR_NO_ACK: u8 = 10;
pub(super) const FREEZE_AT_TIME: u8 = 11;
pub(super) const FREEZE_AT_TIME_NO_ACK: u8 = 12;
pub(super) const COLD_RESTART: u8 = 13;
pub(super) const WARM_RESTART: u8 = 14;
pub(super) const INITIALIZE_DATA: u8 = 15;
pub(super) const INITIALIZE_APPLICATION: u8 = 16;
pub(super) const START_APPLICATION: u8 = 17;
pub(super) const STOP_APPLICATION: u8 = 18;
pub(super) const SAVE_CONFIGURATION: u8 = 19;
pub(super) const ENABLE_UNSOLICITED: u8 = 20;
pub(super) const DISABLE_UNSOLICITED: u8 = 21;
pub(super) const ASSIGN_CLASS: u8 = 22;
pub(super) const RECORD_CURRENT_TIME: u8 = 24;
pub(super) const OPEN_FILE: u8 = 25;
pub(super) const DELETE_FILE: u8 = 27;
pub(super) const AUTHENTICATE_FILE: u8 = 29;
pub(super) const ABORT_FILE: u8 = 30;
pub(super) const ACTIVATE_CONFIGURATION: u8 = 31;
pub(super) const AUTHENTICATION_REQUEST: u8 = 32;
pub(super) const AUTHENTICATION_REQUEST_NO_ACK: u8 = 33;

//! One site as its mirror port sees it, 10,000 packets a second: the numbers of actors make the shares.

use super::random::Random;
use super::schedule::Cast;
use super::{bacnet, it, modbus, video};

pub(super) fn workload(random: &mut Random) -> Cast {
    let mut cast = modbus::pairs(20, 54, random);
    cast.extend(bacnet::site(420, random));
    cast.extend(video::cameras(22, random));
    cast.extend(it::clients(70, random));
    cast
}

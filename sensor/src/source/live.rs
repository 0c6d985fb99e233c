//! Network interfaces: opened for receiving alone, and read as a capture that ends when somebody says so.
//!
//! libpcap's ring of mapped memory holds what comes while packets are taken apart; what finds no room there is counted by
//! the kernel. Frames are put into pcapng blocks as they come: what is read of an interface is what `--write` keeps, to
//! the byte, and it can be read again.

mod watch;

pub(crate) use watch::{Seen, Watch, Watched};

use super::SourceError;
use super::feed::NAP;
use pcap::{Active, Capture, Device, Precision};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What to listen to, and until when.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Names of interfaces.
    pub interfaces: Vec<String>,
    /// Packets that the kernel hands over, as pcap-filter(7) writes it; all without one.
    pub filter: Option<String>,
    /// How long; until it is stopped without one.
    pub duration: Option<Duration>,
    /// The ring of each interface, in bytes.
    pub ring_bytes: i32,
    /// As many bytes of each frame are taken.
    pub snaplen: i32,
    /// Where all that is read is kept as well.
    pub write: Option<PathBuf>,
    /// Set by whoever wants it to end.
    pub stop: Arc<AtomicBool>,
}

/// Interfaces that are open.
#[derive(Clone)]
pub struct Tap {
    is_kept: bool,
    /// Whether somebody reads it.
    is_read: Arc<AtomicBool>,
    /// Whether no interface is left.
    is_dead: Arc<AtomicBool>,
    ports: Arc<Mutex<Ports>>,
    gone: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// One interface.
struct Port {
    name: String,
    /// It stays open until the program ends: the filter of system calls knows it by its number, and whatever got that number
    /// after it, a file of the lake or a connection of a webhook, could not be written.
    capture: ManuallyDrop<Capture<Active>>,
    link_type: u16,
    is_gone: bool,
}

/// All of them, as bytes of a pcapng file.
struct Ports {
    all: Vec<Port>,
    ready: VecDeque<u8>,
    snaplen: i32,
    until: Option<Instant>,
    duration: Option<Duration>,
    stop: Arc<AtomicBool>,
    is_over: bool,
    kept: Option<(BufWriter<File>, PathBuf)>,
    gone: Arc<Mutex<Vec<String>>>,
    is_dead: Arc<AtomicBool>,
}

/// Frames that are taken of one interface before the next has its turn.
const MOST_AT_ONCE: usize = 256;

impl Tap {
    /// Opens all interfaces. Fails when one cannot be opened, saying why and what helps.
    pub fn open(listening: &Listening) -> Result<Self, SourceError> {
        let ports = listening.interfaces.iter().map(|name| Port::open(name, listening)).collect::<Result<_, _>>()?;
        let kept = listening.write.as_ref().map(|path| keep(path)).transpose()?;
        let (gone, is_dead): (Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) = Default::default();
        let mut ports = Ports {
            all: ports,
            ready: VecDeque::new(),
            snaplen: listening.snaplen,
            until: None,
            duration: listening.duration,
            stop: Arc::clone(&listening.stop),
            is_over: false,
            kept,
            gone: Arc::clone(&gone),
            is_dead: Arc::clone(&is_dead),
        };
        ports.begin();
        let is_kept = listening.write.is_some();
        Ok(Self { is_kept, is_read: Arc::default(), is_dead, ports: Arc::new(Mutex::new(ports)), gone })
    }

    /// What the interfaces give, once.
    pub(super) fn take(&self) -> io::Result<Box<dyn Read + Send>> {
        if self.is_read.swap(true, Ordering::Relaxed) {
            return Err(io::Error::other("the interfaces are read already"));
        }
        Ok(Box::new(Reading(Arc::clone(&self.ports))))
    }

    /// Whether something has come that is not read yet, or it is over: then nobody who reads has to wait.
    pub(super) fn has_come(&self) -> bool {
        self.ports.lock().map_or(true, |mut ports| ports.has_come())
    }

    /// Whether what is read is kept as well: its frames have numbers there.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// The ports, as the kernel numbers them here.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let ports = self.ports.lock();
        let all = ports.iter().flat_map(|ports| &ports.all);
        all.map(|port| port.capture.as_raw_fd()).collect()
    }

    /// Whether all interfaces went away.
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// Interfaces that went away while they were listened to, and what libpcap said.
    pub fn gone(&self) -> Vec<String> {
        self.gone.lock().map(|gone| gone.clone()).unwrap_or_default()
    }
}

fn keep(path: &Path) -> Result<(BufWriter<File>, PathBuf), SourceError> {
    let file = File::create(path).map_err(|error| SourceError::io(path, error))?;
    Ok((BufWriter::new(file), path.to_owned()))
}

impl Port {
    fn open(name: &str, listening: &Listening) -> Result<Self, SourceError> {
        let failed = |said: pcap::Error| SourceError::Interface { name: name.to_owned(), said: words(&said, name) };
        let inactive = Capture::from_device(name)
            .map_err(failed)?
            .promisc(true)
            .snaplen(listening.snaplen)
            .buffer_size(listening.ring_bytes)
            // A block of the ring is handed over when it is full, or after so many milliseconds.
            .timeout(10)
            .precision(Precision::Nano);
        let mut capture = inactive.open().map_err(failed)?.setnonblock().map_err(failed)?;
        if let Some(filter) = &listening.filter {
            capture.filter(filter, true).map_err(failed)?;
        }
        let link_type = u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX);
        Ok(Self { name: name.to_owned(), capture: ManuallyDrop::new(capture), link_type, is_gone: false })
    }
}

/// What libpcap says, and what helps.
fn words(said: &pcap::Error, name: &str) -> String {
    let said = said.to_string();
    let is_forbidden = said.contains("permission") || said.contains("not permitted");
    let help = if is_forbidden {
        "; listening needs the right to: run as root, or give the program cap_net_raw (setcap cap_net_raw+ep)"
            .to_owned()
    } else if said.contains("No such device") {
        let names: Vec<String> = interfaces().into_iter().map(|interface| interface.name).collect();
        format!("; there are: {}", names.join(", "))
    } else {
        String::new()
    };
    let said = said.strip_prefix("libpcap error: ").unwrap_or(&said);
    let said = said.strip_prefix(&format!("{name}: ")).unwrap_or(said);
    format!("{said}{help}")
}

/// An interface of this machine.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Whether it is up, has a carrier, and is the machine's own loop.
    pub is_up: bool,
    /// Whether it is connected.
    pub is_running: bool,
    /// Whether it is the machine's own loop.
    pub is_loopback: bool,
}

/// The interfaces that can be listened to.
pub fn interfaces() -> Vec<Interface> {
    let devices = Device::list().unwrap_or_default();
    // Those that libpcap makes up itself listen to no port.
    let real = devices.into_iter().filter(|device| Path::new("/sys/class/net").join(&device.name).exists());
    real.map(|device| Interface {
        is_up: device.flags.is_up(),
        is_running: device.flags.is_running(),
        is_loopback: device.flags.is_loopback(),
        addresses: device.addresses.iter().map(|address| address.addr.to_string()).collect(),
        description: device.desc,
        name: device.name,
    })
    .collect()
}

impl Ports {
    /// The head of the file: a section, and each interface.
    fn begin(&mut self) {
        let mut section = vec![0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
        section.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &section);
        for (name, link_type) in self.all.iter().map(|port| (port.name.clone(), port.link_type)).collect::<Vec<_>>() {
            let mut interface = Vec::new();
            interface.extend(link_type.to_le_bytes());
            interface.extend([0; 2]);
            interface.extend(self.snaplen.to_le_bytes());
            option(&mut interface, 2, name.as_bytes());
            // Times count nanoseconds.
            option(&mut interface, 9, &[9]);
            option(&mut interface, 0, &[]);
            self.block(1, &interface);
        }
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padding = body.len().next_multiple_of(4) - body.len();
        let length = u32::try_from(body.len() + padding + 12).expect("a frame is shorter").to_le_bytes();
        let start = self.ready.len();
        self.ready.extend(kind.to_le_bytes());
        self.ready.extend(length);
        self.ready.extend(body);
        self.ready.extend(std::iter::repeat_n(0, padding));
        self.ready.extend(length);
        if let Some((file, path)) = &mut self.kept {
            let (front, back) = self.ready.as_slices();
            let written = match front.get(start..) {
                Some(front) => file.write_all(front).and_then(|()| file.write_all(back)),
                None => file.write_all(&back[start - front.len()..]),
            };
            if let Err(error) = written {
                let what = format!("{}: {error}; what comes from here on is not kept", path.display());
                self.kept = None;
                self.say(what);
            }
        }
    }

    fn say(&self, what: String) {
        if let Ok(mut gone) = self.gone.lock() {
            gone.push(what);
        }
    }

    /// Takes what has come; tells whether anything has.
    fn take(&mut self) -> bool {
        let before = self.ready.len();
        let mut frame = Vec::new();
        for number in 0..self.all.len() {
            for _ in 0..MOST_AT_ONCE {
                let port = &mut self.all[number];
                if port.is_gone {
                    break;
                }
                match port.capture.next_packet() {
                    Ok(packet) => {
                        frame.clear();
                        head(&mut frame, number, &packet);
                        frame.extend(packet.data);
                        self.block(6, &frame);
                    }
                    Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => break,
                    // It may come up again.
                    Err(error) if error.to_string().contains("went down") => break,
                    Err(error) => {
                        port.is_gone = true;
                        let what = format!("{}: {}", port.name, words(&error, &port.name));
                        self.say(what);
                    }
                }
            }
        }
        self.ready.len() > before
    }

    /// Takes what has come; tells whether something is there to be read, or it is over.
    fn has_come(&mut self) -> bool {
        // The time begins to count when somebody listens.
        if let (None, Some(duration)) = (self.until, self.duration) {
            self.until = Some(Instant::now() + duration);
        }
        if !self.ready.is_empty() || self.is_over {
            return true;
        }
        if self.is_done() {
            // What the ring holds was there in time.
            while self.take() {}
            self.end();
            return true;
        }
        self.take()
    }

    fn is_done(&self) -> bool {
        if self.all.iter().all(|port| port.is_gone) {
            self.is_dead.store(true, Ordering::Relaxed);
            return true;
        }
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        is_late || self.stop.load(Ordering::Relaxed)
    }

    /// The tail of the file: what each interface and the kernel dropped.
    fn end(&mut self) {
        self.is_over = true;
        for number in 0..self.all.len() {
            let Ok(counted) = self.all[number].capture.stats() else { continue };
            let mut statistics = u32::try_from(number).expect("interfaces are few").to_le_bytes().to_vec();
            statistics.extend([0; 8]);
            for (code, count) in [(4, counted.received), (5, counted.if_dropped), (7, counted.dropped)] {
                option(&mut statistics, code, &u64::from(count).to_le_bytes());
            }
            option(&mut statistics, 0, &[]);
            self.block(5, &statistics);
        }
        if let Some((file, path)) = &mut self.kept
            && let Err(error) = file.flush()
        {
            let what = format!("{}: {error}", path.display());
            self.say(what);
        }
    }
}

/// The head of an enhanced packet block: interface, time, lengths.
fn head(block: &mut Vec<u8>, number: usize, packet: &pcap::Packet<'_>) {
    // With nanoseconds the field for microseconds holds them.
    let (seconds, nanos) = (packet.header.ts.tv_sec, packet.header.ts.tv_usec);
    let time = seconds.saturating_mul(1_000_000_000).saturating_add(nanos).cast_unsigned();
    let number = u32::try_from(number).expect("interfaces are few");
    let length = u32::try_from(packet.data.len()).expect("a frame is shorter");
    let [high, low] = [time >> 32, time & 0xffff_ffff].map(|half| u32::try_from(half).expect("half of 64 bits"));
    for word in [number, high, low, length, packet.header.len] {
        block.extend(word.to_le_bytes());
    }
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    block.extend(code.to_le_bytes());
    block.extend(u16::try_from(value.len()).expect("names are short").to_le_bytes());
    block.extend(value);
    block.resize(block.len().next_multiple_of(4), 0);
}

/// Whoever reads what comes.
struct Reading(Arc<Mutex<Ports>>);

impl Read for Reading {
    /// Waits until something has come, or it is over.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ports = self.0.lock().map_err(|_| io::Error::other("the interfaces are lost"))?;
            if ports.has_come() {
                return ports.ready.read(buffer);
            }
            drop(ports);
            std::thread::sleep(NAP);
        }
    }
}

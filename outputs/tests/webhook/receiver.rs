//! A receiver of webhooks on this machine, which fails as it is told to, and keeps what arrives.

#![allow(dead_code, reason = "two test programs share it, and each uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This status, these headers, this body.
    Say(u16, String, String),
    /// A 200 after so long.
    Late(Duration),
    /// The body is read a few bytes at a time, then a 200.
    SlowReading(Duration),
    /// The connection ends before anything is read.
    Hang,
    /// It ends in the middle of the request's body.
    BreakOffReading,
    /// It ends in the middle of the answer's body.
    BreakOffAnswering,
    /// Something that is no HTTP.
    Nonsense,
    /// A 200 whose body does not end for a long time.
    Endless,
    /// A 200 that promises a body of another length.
    Lie,
}

impl Reply {
    pub(crate) fn status(code: u16) -> Self {
        Self::Say(code, String::new(), String::new())
    }
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it was answered by a whole 2xx.
    pub(crate) is_taken: bool,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        match serde_json::from_slice(&self.body).expect("JSON arrives") {
            Value::Array(events) => events,
            event => vec![event],
        }
    }
}

/// What stands between the receiver and its socket: nothing, or TLS.
pub(crate) type Wrap = Arc<dyn Fn(TcpStream) -> std::io::Result<Box<dyn Stream>> + Send + Sync>;

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

type Script = Arc<dyn Fn(usize) -> Reply + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    asked: Arc<AtomicUsize>,
}

impl Receiver {
    /// A receiver that answers the nth request so.
    pub(crate) fn start(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::wrapped(script, Arc::new(|stream| Ok(Box::new(stream))))
    }

    pub(crate) fn wrapped(script: impl Fn(usize) -> Reply + Send + Sync + 'static, wrap: Wrap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let receiver = Self { port, arrived: Arc::default(), asked: Arc::default() };
        let (ours, script): (Self, Script) = (receiver.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (ours, script, wrap) = (ours.clone(), Arc::clone(&script), Arc::clone(&wrap));
                // How a connection ends is the sender's business.
                thread::spawn(move || drop(ours.serve(stream, &script, &wrap)));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().expect("nobody panicked").clone()
    }

    /// How many requests there were.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// All events that were taken, in order.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.arrived().iter().filter(|arrived| arrived.is_taken).flat_map(Arrived::events).collect()
    }

    fn serve(&self, stream: TcpStream, script: &Script, wrap: &Wrap) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let raw = stream.try_clone()?;
        let mut stream = BufReader::new(wrap(stream)?);
        loop {
            let mut headers = Vec::new();
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let reply = script(self.asked.fetch_add(1, Ordering::SeqCst));
            if matches!(reply, Reply::Hang) {
                return raw.shutdown(Shutdown::Both);
            }
            loop {
                line.clear();
                stream.read_line(&mut line)?;
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse());
            let mut body = vec![0; length.and_then(Result::ok).unwrap_or(0)];
            match &reply {
                Reply::BreakOffReading => {
                    let half = body.len() / 2;
                    stream.read_exact(&mut body[..half])?;
                    return raw.shutdown(Shutdown::Both);
                }
                Reply::SlowReading(pause) => {
                    let piece = body.len().div_ceil(5).max(1);
                    for piece in body.chunks_mut(piece) {
                        thread::sleep(*pause / 5);
                        stream.read_exact(piece)?;
                    }
                }
                _ => stream.read_exact(&mut body)?,
            }
            let is_taken = match &reply {
                Reply::Say(code, ..) => (200..300).contains(code),
                Reply::SlowReading(_) | Reply::Endless => true,
                _ => false,
            };
            // It counts before it is answered: who hears the answer finds it here.
            self.arrived.lock().expect("nobody panicked").push(Arrived { headers, body, is_taken });
            let out = stream.get_mut();
            match reply {
                Reply::Say(code, headers, body) => {
                    let length = body.len();
                    write!(out, "HTTP/1.1 {code} So\r\n{headers}content-length: {length}\r\n\r\n{body}")?;
                }
                Reply::SlowReading(_) => write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?,
                Reply::Late(wait) => {
                    thread::sleep(wait);
                    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
                }
                Reply::BreakOffAnswering => {
                    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
                    out.flush()?;
                    return raw.shutdown(Shutdown::Both);
                }
                Reply::Nonsense => {
                    write!(out, "SSH-2.0-OpenSSH_9.6\r\n\r\n")?;
                    out.flush()?;
                    return raw.shutdown(Shutdown::Both);
                }
                Reply::Endless => {
                    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")?;
                    for _ in 0..1_000 {
                        out.write_all(&vec![b'x'; 100_000])?;
                    }
                }
                Reply::Lie => {
                    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-length: 2\r\n\r\n{{}}")?;
                    out.flush()?;
                    return raw.shutdown(Shutdown::Both);
                }
                Reply::Hang | Reply::BreakOffReading => return Ok(()),
            }
            out.flush()?;
        }
    }
}

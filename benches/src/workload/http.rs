//! HTTP/1.1 (RFC 9112): connections that are kept, small requests, small answers.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, Wire};
use dissectors::Side;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    clients(2_000, random)
}

/// So many clients of twenty servers.
pub(super) fn clients(count: u32, random: &mut Random) -> Cast {
    (0..count)
        .map(|number| {
            let start = Duration::from_micros(u64::from(random.between(0, 499_999)));
            (start, Box::new(Client::new(number, random)) as Box<dyn Actor>)
        })
        .collect()
}

/// A client and its connection, closed and opened anew after some requests.
struct Client {
    connection: Connection,
    number: u32,
    requests_left: u32,
}

impl Client {
    fn new(number: u32, random: &mut Random) -> Self {
        let client = End::new(8, number, FIRST_CLIENT_PORT + random.short(0, 9_999));
        let connection = Connection::new(client, End::new(9, number % SERVERS, PORT), random);
        Self { connection, number, requests_left: random.between(20, 200) }
    }

    fn request(&self, random: &mut Random) -> String {
        let server = self.number % SERVERS;
        let path = random.one_of(PATHS);
        let agent = AGENTS[self.number as usize % AGENTS.len()];
        let head = format!("{path} HTTP/1.1\r\nHost: app{server}.example\r\nUser-Agent: {agent}\r\nAccept: */*\r\n");
        if path.starts_with("POST") {
            return format!("{head}Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{{\"value\": 17}}");
        }
        format!("{head}\r\n")
    }

    fn answer(random: &mut Random) -> String {
        if random.percent(15) {
            return "HTTP/1.1 304 Not Modified\r\nServer: nginx/1.22.1\r\nETag: \"5f1c-3a\"\r\n\r\n".to_owned();
        }
        let items = random.between(2, 30);
        let body = (0..items).map(|item| format!("{{\"id\":{item},\"ok\":true}}")).collect::<Vec<_>>().join(",");
        let length = body.len() + 2;
        let head = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: application/json";
        format!("{head}\r\nContent-Length: {length}\r\nConnection: keep-alive\r\n\r\n[{body}]")
    }
}

impl Actor for Client {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = now;
        if !self.connection.is_open() {
            at = self.connection.open(at, wire);
            self.requests_left = wire.random.between(20, 200);
        }
        let (request, answer) = (self.request(&mut wire.random), Self::answer(&mut wire.random));
        self.connection.send(Side::A, at, request.as_bytes(), wire);
        at += Duration::from_micros(u64::from(wire.random.between(300, 5_000)));
        self.connection.send(Side::B, at, answer.as_bytes(), wire);
        at += Duration::from_millis(40);
        self.connection.acknowledge(Side::A, at, wire);
        self.requests_left -= 1;
        if self.requests_left == 0 {
            at = self.connection.close(at + Duration::from_millis(1), wire);
        }
        at + Duration::from_micros(u64::from(wire.random.between(50_000, 400_000)))
    }
}

const PORT: u16 = 80;
const SERVERS: u32 = 20;
const PATHS: &[&str] = &[
    "GET /",
    "GET /index.html",
    "GET /api/v1/status",
    "GET /api/v1/items?page=2",
    "GET /static/app.css",
    "GET /static/app.js",
    "GET /favicon.ico",
    "POST /api/v1/items",
];
const AGENTS: &[&str] = &["curl/7.88.1", "python-requests/2.28.1", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)"];

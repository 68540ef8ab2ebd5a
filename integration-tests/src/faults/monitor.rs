//! Listens to everything that Redis does, past all proxies.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::history::{Event, Micros, Seen};
use crate::tasks::now;

/// What begins every key (`REDIS_KEY_PREFIX`), and what marks a list of taken orders.
const PROCESSING: &str = ":processing";

/// Collects what is seen until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    seen: Arc<Mutex<Vec<Seen>>>,
    listening: JoinHandle<()>,
}

/// The fields of an order that matter here.
#[derive(Deserialize)]
struct Order {
    task: Uuid,
    worker: Uuid,
    epoch: i64,
}

impl Monitor {
    /// Listens at a socket, and again whenever the connection breaks.
    pub async fn start(socket: &Path) -> Monitor {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let first = connect(socket).await.unwrap();
        let listening = tokio::spawn(listen(first, socket.to_owned(), seen.clone()));
        Monitor { seen, listening }
    }

    /// Everything so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that everything in Redis is lost.
    pub fn note_loss(&self) {
        note(&self.seen, now(), Event::Lost);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn connect(socket: &Path) -> std::io::Result<BufReader<UnixStream>> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    stream.write_all(b"MONITOR\r\n").await?;
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(stream)
}

async fn listen(first: BufReader<UnixStream>, socket: PathBuf, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut stream = Some(first);
    loop {
        if let Some(mut lines) = stream.take() {
            let mut line = Vec::new();
            while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
                let (at, events) = parse(&line).unwrap_or_default();
                for what in events {
                    note(&seen, at, what);
                }
                line.clear();
            }
            note(&seen, now(), Event::Blind);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Ok(again) = connect(&socket).await {
            note(&seen, now(), Event::Blind);
            stream = Some(again);
        }
    }
}

fn note(seen: &Mutex<Vec<Seen>>, at: Micros, what: Event) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { at, what });
}

/// Reads `+1700000000.123456 [0 lua] "rpush" "key" "value"`.
fn parse(line: &[u8]) -> Option<(Micros, Vec<Event>)> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    let (time, rest) = text.strip_prefix('+')?.split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    let at = seconds.parse::<Micros>().ok()? * 1_000_000 + micros.parse::<Micros>().ok()?;
    let (_, rest) = rest.split_once("] ")?;
    let words = words(rest);
    let name = |index: usize| words.get(index).map(|word| String::from_utf8_lossy(word).into_owned());
    let key = name(1).unwrap_or_default();
    let taken_from = key.strip_suffix(PROCESSING).map(str::to_owned);
    let what = match (name(0)?.to_ascii_lowercase().as_str(), taken_from) {
        ("flushall" | "flushdb", _) => Event::Lost,
        ("del" | "unlink", _) if words[1..].iter().any(|key| key.ends_with(b":lease")) => Event::Lost,
        ("rpush" | "lpush", _) => {
            let order =
                |Order { task, worker, epoch }| Event::Order { queue: key.clone(), task, worker, epoch };
            return Some((at, words[2..].iter().filter_map(|bytes| decode(bytes)).map(order).collect()));
        }
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush", _) if !key.ends_with("resource-manager") => {
            Event::Take(key)
        }
        ("lrem", Some(queue)) => Event::Acknowledge { queue, task: Some(decode(words.get(3)?)?.task) },
        ("del" | "unlink" | "ltrim" | "lpop" | "rpop", Some(queue)) => {
            Event::Acknowledge { queue, task: None }
        }
        _ => return None,
    };
    Some((at, vec![what]))
}

fn decode(bytes: &[u8]) -> Option<Order> {
    tasking::codec::decode(bytes).ok()
}

/// The quoted words of a line, with their escapes undone.
fn words(text: &str) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut inside) = (Vec::new(), Vec::new(), false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if inside => {
                words.push(std::mem::take(&mut word));
                inside = false;
            }
            b'"' => inside = true,
            b'\\' => match bytes.next() {
                Some(b'x') => {
                    let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                    let digits = String::from_utf8_lossy(&digits).into_owned();
                    word.push(u8::from_str_radix(&digits, 16).unwrap_or(0));
                }
                Some(b'n') => word.push(b'\n'),
                Some(b'r') => word.push(b'\r'),
                Some(b't') => word.push(b'\t'),
                Some(b'a') => word.push(7),
                Some(b'b') => word.push(8),
                Some(other) => word.push(other),
                None => {}
            },
            _ if inside => word.push(byte),
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let line = b"+1700000000.000123 [0 lua] \"DEL\" \"pulp:worker-1:processing\"\r\n";
        let all = Event::Acknowledge { queue: "pulp:worker-1".to_owned(), task: None };
        let expected = (1_700_000_000_000_123, vec![all]);
        assert_eq!(parse(line), Some(expected));
        assert_eq!(words(r#""a\x00\"\\" "b""#), [b"a\0\"\\".to_vec(), b"b".to_vec()]);
    }
}

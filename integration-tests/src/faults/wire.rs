//! Messages of Postgres's protocol, and which statement one of them runs.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Requests that come before the startup packet and are answered with one byte: TLS and GSSAPI encryption.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// The longest message that is believed.
const LONGEST: u32 = 1 << 28;

/// One message, with its type and length as they were sent.
#[derive(Debug)]
pub(super) struct Message {
    /// The type; zero for a packet at the start, which has none.
    pub(super) kind: u8,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// The next message.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
        let kind = from.read_u8().await?;
        let mut bytes = vec![kind];
        append(from, &mut bytes).await?;
        Ok(Message { kind, bytes })
    }

    /// A packet before the session has started.
    pub(super) async fn read_start(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
        let mut bytes = Vec::new();
        append(from, &mut bytes).await?;
        Ok(Message { kind: 0, bytes })
    }

    /// Whether it asks for encryption, which is answered by one byte.
    pub(super) fn asks_for_encryption(&self) -> bool {
        let code = self.bytes.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        self.kind == 0 && code.is_some_and(|code| ENCRYPTION.contains(&code))
    }

    fn text(&self, number: usize) -> &str {
        let body = self.bytes.get(5..).unwrap_or_default();
        let text = body.split(|byte| *byte == 0).nth(number).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

async fn append(from: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = from.read_u32().await?;
    if !(4..LONGEST).contains(&length) {
        return Err(io::Error::other("no message of Postgres's protocol"));
    }
    bytes.extend(length.to_be_bytes());
    let begin = bytes.len();
    bytes.resize(begin + length as usize - 4, 0);
    from.read_exact(&mut bytes[begin..]).await?;
    Ok(())
}

/// The statements of one session, followed to know which one a message runs.
#[derive(Debug, Default)]
pub(super) struct Statements {
    prepared: HashMap<String, String>,
    bound: HashMap<String, String>,
}

impl Statements {
    /// Takes in a message of the client; answers the statement that it runs, if it runs one.
    pub(super) fn follow(&mut self, message: &Message) -> Option<String> {
        match message.kind {
            b'Q' => return Some(message.text(0).to_owned()),
            b'P' => {
                self.prepared.insert(message.text(0).to_owned(), message.text(1).to_owned());
            }
            b'B' => {
                let text = self.prepared.get(message.text(1)).cloned().unwrap_or_default();
                self.bound.insert(message.text(0).to_owned(), text);
            }
            b'E' => return self.bound.get(message.text(0)).cloned(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[tokio::test]
    async fn what_a_session_runs_is_known_by_name_and_portal() {
        let session = [
            message(b'P', b"s1\0SELECT take_task($1)\0\0\0"),
            message(b'S', b""),
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'Q', b"COMMIT\0"),
        ]
        .concat();
        let (mut bytes, mut statements, mut run) = (session.as_slice(), Statements::default(), Vec::new());
        while let Ok(message) = Message::read(&mut bytes).await {
            run.extend(statements.follow(&message));
        }
        assert_eq!(run, ["SELECT take_task($1)", "COMMIT"]);
    }
}

//! As much of Redis as the tests need: single commands, past all proxies.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text or bytes.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<Answer>),
}

impl Answer {
    /// The texts of a list of texts, or of one.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Answer::Nil => Vec::new(),
            Answer::Number(number) => vec![number.to_string()],
            Answer::Bytes(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
            Answer::List(list) => list.iter().flat_map(Answer::texts).collect(),
        }
    }
}

/// Sends one command and answers what comes back.
pub async fn command<T: AsRef<[u8]>>(socket: &Path, words: &[T]) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    stream.write_all(&bytes).await?;
    read(&mut stream).await
}

async fn read(stream: &mut UnixStream) -> io::Result<Answer> {
    let line = line(stream).await?;
    let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "+" => Ok(Answer::Bytes(rest.into())),
        ":" => Ok(Answer::Number(number()?)),
        "$" if number()? < 0 => Ok(Answer::Nil),
        "$" => {
            let mut bytes = vec![0; usize::try_from(number()?).map_err(io::Error::other)? + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(bytes.len() - 2);
            Ok(Answer::Bytes(bytes))
        }
        "*" => {
            let mut list = Vec::new();
            for _ in 0..number()? {
                list.push(Box::pin(read(stream)).await?);
            }
            Ok(Answer::List(list))
        }
        _ => Err(io::Error::other(line)),
    }
}

async fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await?);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

//! How messages are written to Redis: MessagePack with named fields, human readable on both sides.
//!
//! Named fields survive a field that an older or newer process does not know; array mode would put values
//! into the wrong fields without an error. Every message carries the version of its meaning in the field `v`:
//! a process refuses messages of versions that it does not know, even if it could read them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the messages of this program; grows when an older program would misunderstand them.
pub const VERSION: u16 = 1;

#[derive(Serialize)]
struct Outgoing<'a, T> {
    v: u16,
    #[serde(flatten)]
    message: &'a T,
}

#[derive(Deserialize)]
#[serde(expecting = "a message")]
struct Incoming<T> {
    #[serde(flatten)]
    message: T,
}

#[derive(Deserialize)]
struct Version {
    /// Rubbish may have none.
    v: Option<u16>,
}

/// The bytes of a message; the same message always gives the same bytes.
///
/// # Errors
/// If the message has a shape that MessagePack lacks.
pub fn encode<T: Serialize>(message: &T) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    Outgoing { v: VERSION, message }.serialize(&mut serializer)?;
    Ok(bytes)
}

/// The message of these bytes.
///
/// # Errors
/// If they are something else, or of a version that this program does not know.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    if let Ok(Version { v: Some(version) }) = read(bytes)
        && version > VERSION
    {
        anyhow::bail!("of version {version}; this program knows versions up to {VERSION}");
    }
    let Incoming { message } = read(bytes)?;
    Ok(message)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    T::deserialize(&mut deserializer)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::queue::redis_style::message::Notice;

    #[test]
    fn a_message_survives_the_journey() {
        let id = Uuid::now_v7();
        for notice in [
            Notice::Dispatched { task: id },
            Notice::Finished { worker: id, task: id, next: Some(id) },
            Notice::Finished { worker: id, task: id, next: None },
        ] {
            assert_eq!(decode::<Notice>(&encode(&notice).unwrap()).unwrap(), notice);
        }
        for rubbish in [&b"rubbish"[..], b"", &[0x80], &[0x81, 0xa1]] {
            assert!(decode::<Notice>(rubbish).is_err());
        }
    }

    #[test]
    fn newer_fields_are_ignored_and_newer_versions_and_events_refused() {
        let id = Uuid::now_v7();
        let message = |v: u16, event: &str| {
            let fields = serde_json::json!({ "v": v, "event": event, "task": id, "colour": "blue" });
            rmp_serde::to_vec_named(&fields).unwrap()
        };
        let decoded = decode::<Notice>(&message(VERSION, "dispatched"));
        assert_eq!(decoded.unwrap(), Notice::Dispatched { task: id });
        assert!(decode::<Notice>(&message(VERSION, "paused")).unwrap_err().to_string().contains("paused"));
        let newer = decode::<Notice>(&message(VERSION + 1, "dispatched")).unwrap_err().to_string();
        assert_eq!(newer, "of version 2; this program knows versions up to 1");
    }
}

//! How messages are written to Redis: MessagePack with named fields, human readable on both sides.
//!
//! Named fields survive a field that an older or newer process does not know; array mode would put values into the
//! wrong fields without an error.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a message; the same message always gives the same bytes.
///
/// # Errors
/// If the message has a shape that MessagePack lacks.
pub fn encode<T: Serialize>(message: &T) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    message.serialize(&mut serializer)?;
    Ok(bytes)
}

/// The message of these bytes.
///
/// # Errors
/// If they are something else.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    Ok(T::deserialize(&mut deserializer)?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::redis::message::Notice;

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
        assert!(decode::<Notice>(b"rubbish").is_err());
    }
}

//! Content codings (RFC 9110, section 8.4) that an upstream applies although none was asked for.

use std::io::Write;

use bytes::Bytes;
use entities::Result;
use entities::checksum::{Digests, Expected};
use entities::storage::{Staged, Storage, Writer};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// Coded bytes that are decoded at a time; they become at most about a thousand times as many.
const PIECE: usize = 4 * 1024;

/// Coded bytes beyond twice those of the file that are taken: of a short file they are more than the file.
const SLACK: u64 = 64 * 1024;

/// A coding that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding of a response; none without one, or with one that is not known.
    pub(super) fn of(headers: &HeaderMap) -> Option<Coding> {
        match headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            _ => None,
        }
    }
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Decoder {
    fn new(coding: Coding) -> Decoder {
        match coding {
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
            Coding::Deflate => Decoder::Deflate(ZlibDecoder::new(Vec::new())),
        }
    }

    fn decode(&mut self, coded: &[u8]) -> std::io::Result<Bytes> {
        let decoded = match self {
            Decoder::Gzip(decoder) => {
                decoder.write_all(coded)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
            Decoder::Deflate(decoder) => {
                decoder.write_all(coded)?;
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
        };
        Ok(decoded.into())
    }
}

/// The bytes of a response on their way into the store: as they are and, if they are coded, decoded as well.
/// Files are often served with a coding that is part of them, so what is expected decides.
pub(super) struct Received {
    plain: Writer,
    decoded: Option<(Decoder, Writer)>,
    is_coded: bool,
    limit: u64,
}

impl Received {
    /// Of at most `limit` bytes.
    pub(super) fn new(storage: &Storage, coding: Option<Coding>, limit: u64) -> Received {
        let decoded = coding.map(|coding| (Decoder::new(coding), storage.writer()));
        Received { plain: storage.writer(), decoded, is_coded: coding.is_some(), limit }
    }

    /// Takes the next bytes; returns whether they are within the limit.
    pub(super) async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        if let Some((mut decoder, mut writer)) = self.decoded.take()
            && decode(&mut decoder, &mut writer, &bytes, self.limit).await?
        {
            self.decoded = Some((decoder, writer));
        }
        self.plain.write(bytes).await?;
        let limit = match self.is_coded {
            true => self.limit.saturating_mul(2).saturating_add(SLACK),
            false => self.limit,
        };
        Ok(self.plain.size() <= limit)
    }

    /// What was expected, or decoded if nothing was.
    pub(super) async fn finish(self, expected: &Expected) -> Result<Staged> {
        let Some((_, decoded)) = self.decoded else { return self.plain.finish(expected).await };
        if expected.size.is_none() && expected.digests == Digests::default() {
            return decoded.finish(expected).await;
        }
        match self.plain.finish(expected).await {
            Err(entities::Error::Digest(_)) => decoded.finish(expected).await,
            finished => finished,
        }
    }
}

/// Decodes some more; returns whether that is of use: the bytes can be decoded, and are not more than the
/// limit.
async fn decode(decoder: &mut Decoder, writer: &mut Writer, coded: &[u8], limit: u64) -> Result<bool> {
    for piece in coded.chunks(PIECE) {
        let Ok(decoded) = decoder.decode(piece) else { return Ok(false) };
        writer.write(decoded).await?;
        if writer.size() > limit {
            return Ok(false);
        }
    }
    Ok(true)
}

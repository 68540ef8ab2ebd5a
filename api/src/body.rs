//! Bodies: JSON, URL-encoded and multipart forms, bounded; files go to the artifact store as they come (R08).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use entities::storage::{Staged, Storage};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// Bytes that the fields of one request may have together; Django's number.
const FIELDS_LIMIT: u64 = 2_621_440;

/// Fields and files that one form may have; Django's number.
const PARTS_LIMIT: usize = 1000;

/// Bytes of a form that may come without a part or some of one: what is before the first, and the headers of
/// each.
const BETWEEN_LIMIT: u64 = 64 * 1024;

/// How long the next bytes of a body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A body that is not read yet.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + Sync>>);

/// The fields and files of a body.
#[derive(Debug, Default)]
pub struct Form {
    /// Fields by name. In a form, values are texts, or lists of texts if a name is given several times.
    pub fields: Map<String, Value>,
    /// Files by name; complete, but not kept yet.
    pub files: Vec<(String, Staged)>,
    /// Whether the values come from a form, where an empty text stands for nothing.
    pub is_form: bool,
}

impl Body {
    /// A body that arrives as a stream.
    pub fn new<E: std::fmt::Display>(
        stream: impl Stream<Item = Result<Bytes, E>> + Send + Sync + 'static,
    ) -> Body {
        Body(Box::pin(stream.map(|bytes| bytes.map_err(broken))))
    }

    /// The next bytes, as they come; none at the end. A handler that reads them one after the other holds the
    /// client back to its own pace.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the body breaks off, or nothing comes for a minute.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = tokio::time::timeout(READ_TIMEOUT, self.0.next()).await;
        let late = |_| Error::Malformed("The request body did not arrive in time.".into());
        next.map_err(late)?.transpose()
    }

    /// All of it, if that is not more than `limit` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or as [`Body::next`].
    pub async fn bytes(&mut self, limit: u64) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if (whole.len() + bytes.len()) as u64 > limit {
                return Err(Error::TooLarge { limit });
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    pub(crate) async fn fields(&mut self, headers: &HeaderMap) -> Result<Form> {
        match media_type(headers) {
            MediaType::Json => json(&self.bytes(FIELDS_LIMIT).await?),
            MediaType::Urlencoded => Ok(urlencoded(&self.bytes(FIELDS_LIMIT).await?)),
            MediaType::Multipart(boundary) => self.multipart(boundary, None).await,
            MediaType::Other(name) => match self.bytes(FIELDS_LIMIT).await?.is_empty() {
                true => Ok(Form::default()),
                false => Err(Error::UnsupportedMediaType(name)),
            },
        }
    }

    pub(crate) async fn form(&mut self, headers: &HeaderMap, storage: &Storage) -> Result<Form> {
        match media_type(headers) {
            MediaType::Urlencoded => Ok(urlencoded(&self.bytes(FIELDS_LIMIT).await?)),
            MediaType::Multipart(boundary) => self.multipart(boundary, Some(storage)).await,
            MediaType::Json => json(&self.bytes(FIELDS_LIMIT).await?),
            MediaType::Other(name) => Err(Error::UnsupportedMediaType(name)),
        }
    }

    async fn multipart(&mut self, boundary: String, storage: Option<&Storage>) -> Result<Form> {
        let stream = std::mem::replace(&mut self.0, Box::pin(futures_util::stream::empty()));
        let mut source = Body(stream);
        // The parser keeps all that it cannot make a part of.
        let kept = Arc::new(AtomicU64::new(0));
        let counted = kept.clone();
        let stream = async_stream::try_stream! {
            while let Some(bytes) = source.next().await? {
                if counted.fetch_add(bytes.len() as u64, Ordering::Relaxed) > BETWEEN_LIMIT {
                    Err(Error::Malformed("The form has too many bytes outside its parts.".to_owned()))?;
                }
                yield bytes;
            }
        };
        let went_on = || kept.store(0, Ordering::Relaxed);
        let stream = stream.map(|bytes: Result<Bytes>| bytes.map_err(|error| Box::new(StreamError(error))));
        let mut parts = multer::Multipart::new(stream, boundary);
        let mut form = Form { is_form: true, ..Form::default() };
        let (mut room, mut count) = (FIELDS_LIMIT, 0);
        while let Some(mut part) = parts.next_field().await.map_err(multipart_error)? {
            went_on();
            count += 1;
            if count > PARTS_LIMIT {
                return Err(Error::Malformed(format!("The form has more than {PARTS_LIMIT} parts.")));
            }
            let name = part.name().unwrap_or_default().to_owned();
            if part.file_name().is_some() {
                let Some(storage) = storage else {
                    return Err(Error::field(name, "Unexpected field"));
                };
                let mut writer = storage.writer();
                while let Some(bytes) = part.chunk().await.map_err(multipart_error)? {
                    went_on();
                    writer.write(bytes).await?;
                }
                form.files.push((name, writer.finish(&Default::default()).await?));
                continue;
            }
            let mut text = BytesMut::new();
            while let Some(bytes) = part.chunk().await.map_err(multipart_error)? {
                went_on();
                room = room.checked_sub(bytes.len() as u64).ok_or(Error::TooLarge { limit: FIELDS_LIMIT })?;
                text.extend_from_slice(&bytes);
            }
            form.push(name, String::from_utf8_lossy(&text).into_owned());
        }
        Ok(form)
    }
}

impl Form {
    fn push(&mut self, name: String, text: String) {
        match self.fields.get_mut(&name) {
            None => {
                self.fields.insert(name, text.into());
            }
            Some(Value::Array(values)) => values.push(text.into()),
            Some(first) => *first = Value::Array(vec![first.take(), text.into()]),
        }
    }

    /// Takes the file of a name out of the form.
    pub fn take_file(&mut self, name: &str) -> Option<Staged> {
        let at = self.files.iter().position(|(field, _)| field == name)?;
        Some(self.files.swap_remove(at).1)
    }
}

enum MediaType {
    Json,
    Urlencoded,
    Multipart(String),
    Other(String),
}

fn media_type(headers: &HeaderMap) -> MediaType {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => MediaType::Json,
        "application/x-www-form-urlencoded" => MediaType::Urlencoded,
        "multipart/form-data" => match multer::parse_boundary(text) {
            Ok(boundary) => MediaType::Multipart(boundary),
            Err(_) => MediaType::Other(text.to_owned()),
        },
        _ => MediaType::Other(text.to_owned()),
    }
}

fn json(bytes: &[u8]) -> Result<Form> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Form::default());
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::Malformed(format!("JSON parse error - {error}")))?;
    let kind = match value {
        Value::Object(fields) => return Ok(Form { fields, ..Form::default() }),
        Value::Array(_) => "list",
        Value::String(_) => "str",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::Bool(_) => "bool",
        Value::Null => "NoneType",
    };
    Err(Error::object(format!("Invalid data. Expected a dictionary, but got {kind}.")))
}

fn urlencoded(bytes: &[u8]) -> Form {
    let mut form = Form { is_form: true, ..Form::default() };
    for (name, text) in url::form_urlencoded::parse(bytes) {
        form.push(name.into_owned(), text.into_owned());
    }
    form
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("The request body broke off: {error}"))
}

/// Carries our own error through the parser of multipart bodies.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct StreamError(Error);

fn multipart_error(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<StreamError>() {
            Ok(error) => error.0,
            Err(error) => broken(error),
        },
        error => Error::Malformed(format!("Multipart form parse error - {error}")),
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &'static str, chunks: Vec<&'static str>) -> Result<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)));
        Body::new(futures_util::stream::iter(chunks)).fields(&headers).await
    }

    #[tokio::test]
    async fn raw_bodies_come_as_they_are_or_whole_within_a_limit() {
        let body = || {
            let chunks = ["ab", "cd"].map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from(chunk)));
            Body::new(futures_util::stream::iter(chunks))
        };
        let mut streamed = body();
        assert_eq!(streamed.next().await.unwrap().unwrap(), "ab");
        assert_eq!(streamed.next().await.unwrap().unwrap(), "cd");
        assert!(streamed.next().await.unwrap().is_none());
        assert_eq!(body().bytes(4).await.unwrap(), "abcd");
        assert!(matches!(body().bytes(3).await, Err(Error::TooLarge { limit: 3 })));
    }

    #[tokio::test]
    async fn three_kinds_of_bodies() {
        let json = read("application/json; charset=utf-8", vec!["{\"a\":", " 1}"]).await.unwrap();
        assert_eq!(json.fields["a"], 1);
        let form = read("application/x-www-form-urlencoded", vec!["a=1&b=x+y&", "a=2"]).await.unwrap();
        assert_eq!(Value::Object(form.fields), serde_json::json!({"a": ["1", "2"], "b": "x y"}));
        let multipart = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B--\r\n";
        let form = read("multipart/form-data; boundary=B", vec![multipart]).await.unwrap();
        assert_eq!(Value::Object(form.fields), serde_json::json!({"a": "1"}));
    }

    #[tokio::test]
    async fn a_form_without_an_end_of_what_is_between_its_parts_is_not_read_on() {
        let part = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n";
        for begin in ["", "--B\r\nX: ", part, &format!("{part}\r\n1\r\n--B\r\nX: ")] {
            let read = Arc::new(AtomicU64::new(0));
            let (counted, begin) = (read.clone(), Bytes::from(begin.to_owned()));
            let endless = futures_util::stream::iter(0..100_000).map(move |number| {
                counted.fetch_add(1, Ordering::Relaxed);
                let next = if number == 0 { begin.clone() } else { Bytes::from_static(&[b'x'; 1024]) };
                Ok::<_, std::convert::Infallible>(next)
            });
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=B".parse().unwrap());
            let error = Body::new(endless).fields(&headers).await.unwrap_err();
            assert!(matches!(error, Error::Malformed(_)), "{error}");
            assert!(read.load(Ordering::Relaxed) < 100, "{read:?} kB were read");
        }
        // Large pieces with many parts are no such form.
        let one = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        let pieces = vec![Box::leak(one.repeat(400).into_boxed_str()) as &'static str; 2];
        let whole = [pieces, vec!["--B--\r\n"]].concat();
        assert!(read("multipart/form-data; boundary=B", whole).await.is_ok());
    }

    #[tokio::test]
    async fn bad_bodies_are_told_apart() {
        let error = read("application/json", vec!["{"]).await.unwrap_err();
        assert!(error.to_string().starts_with("JSON parse error - "), "{error}");
        let error = read("application/json", vec!["[]"]).await.unwrap_err();
        assert!(error.to_string().contains("Expected a dictionary, but got list."), "{error}");
        assert!(matches!(read("text/xml", vec!["<a/>"]).await, Err(Error::UnsupportedMediaType(_))));
        assert!(matches!(
            read("multipart/form-data; boundary=B", vec!["nothing"]).await,
            Err(Error::Malformed(_))
        ));
        let long = Box::leak("x".repeat(1024 * 1024).into_boxed_str());
        let error = read("application/json", vec![long, long, long]).await;
        assert!(matches!(error, Err(Error::TooLarge { limit: FIELDS_LIMIT })));
    }
}

//! Streams as bodies of answers.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use warp::Reply;

use crate::Response;

/// Why a body ends before its end: the connection is closed, so that the client does not take the part for all.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Lends a stream `Sync`, which warp asks of a body. The lock is never taken: polling needs `&mut` anyway.
struct Shareable(Mutex<BoxStream<'static, Result<Bytes, BodyError>>>);

impl Stream for Shareable {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.as_mut().poll_next(cx)
    }
}

/// An answer with status 200 and this body.
pub(crate) fn respond(body: BoxStream<'static, Result<Bytes, BodyError>>) -> Response {
    warp::reply::stream(Shareable(Mutex::new(body))).into_response()
}

//! A client of one server.

use std::time::Duration;

use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::PASSWORD;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends requests to one server, and follows no redirects.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    /// Scheme, host and port.
    pub base: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Client {
    /// A client of the server at `base`.
    ///
    /// # Panics
    /// If no client can be made.
    pub fn new(base: &str) -> Client {
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().redirect(policy).timeout(PATIENCE).no_proxy().build().unwrap();
        Client { http, base: base.to_owned() }
    }

    /// A request with the credentials of `admin`; `target` is a path or a URL.
    pub fn request(&self, method: Method, target: &str) -> RequestBuilder {
        self.anonymous(method, target).basic_auth("admin", Some(PASSWORD))
    }

    /// A request without credentials; `target` is a path or a URL.
    pub fn anonymous(&self, method: Method, target: &str) -> RequestBuilder {
        let url = if target.starts_with('/') { format!("{}{target}", self.base) } else { target.to_owned() };
        self.http.request(method, url)
    }

    /// GET.
    pub async fn get(&self, target: &str) -> Answer {
        send(self.request(Method::GET, target)).await
    }

    /// HEAD.
    pub async fn head(&self, target: &str) -> Answer {
        send(self.request(Method::HEAD, target)).await
    }

    /// GET with a header.
    pub async fn get_with(&self, target: &str, name: &str, value: &str) -> Answer {
        send(self.request(Method::GET, target).header(name, value)).await
    }

    /// POST of JSON.
    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, target).json(body)).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, target).json(body)).await
    }

    /// PUT of JSON.
    pub async fn put(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, target).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, target: &str) -> Answer {
        send(self.request(Method::DELETE, target)).await
    }

    /// POST of a form with files.
    pub async fn post_form(&self, target: &str, form: reqwest::multipart::Form) -> Answer {
        send(self.request(Method::POST, target).multipart(form)).await
    }

    /// GET of a server that may not be there yet.
    pub async fn try_get(&self, target: &str) -> Option<Answer> {
        try_send(self.request(Method::GET, target)).await.ok()
    }

    /// HEAD of a server that may not be there yet.
    pub async fn try_head(&self, target: &str) -> Option<Answer> {
        try_send(self.request(Method::HEAD, target)).await.ok()
    }
}

impl Answer {
    /// The body, if the status is this one.
    ///
    /// # Panics
    /// If it is another one; shows the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.body
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Sends a request.
///
/// # Panics
/// If there is no answer, or its body breaks off.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.unwrap()
}

/// Sends a request; an error if there is no answer, or its body breaks off.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?.to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Answer { status, headers, bytes, body })
}

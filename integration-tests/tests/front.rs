//! The HTTP front of the servers: where they listen, what proxies say of a request, and the access log.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use http::Method;
use integration_tests::{Client, PASSWORD, Pulp, free_address, send, until};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

const REPOSITORIES: &str = "/pulp/api/v3/repositories/file/file/";

/// The first page of them.
const PAGE: &str = "/pulp/api/v3/repositories/file/file/?limit=1";

/// The address of the next page of a list, as the server wrote it for this request.
async fn next(request: RequestBuilder) -> String {
    let page: Value = send(request).await.expect(200);
    let next = page["next"].as_str().unwrap();
    next.split_once(REPOSITORIES).unwrap().0.to_owned()
}

/// The line of the access log that names a path.
async fn logged(pulp: &mut Pulp, process: &str, path: &str) -> String {
    let process = pulp.process(process);
    until(&format!("{path} is in the access log"), || {
        let log = process.log();
        let line = log.lines().find(|line| line.contains("access:INFO:") && line.contains(path));
        let line = line.map(str::to_owned);
        async move { line }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_listens_in_several_places_and_believes_only_trusted_proxies() {
    let mut pulp = Pulp::builder().workers(1).start().await;
    for name in ["a", "b"] {
        pulp.client.post(REPOSITORIES, &json!({"name": name})).await.expect(201);
    }

    // Loopback is trusted if nothing is said.
    let own = pulp.client.base.clone();
    let list = |client: &Client| client.request(Method::GET, PAGE);
    assert_eq!(next(list(&pulp.client)).await, own);
    let forwarded = "for=192.0.2.7;proto=https;host=pulp.example, for=10.0.0.1;proto=http;host=inner";
    let client = pulp.client.clone();
    assert_eq!(next(list(&client).header("Forwarded", forwarded)).await, "https://pulp.example");
    let older = list(&client)
        .header("X-Forwarded-Proto", "https, http")
        .header("X-Forwarded-Host", "pulp.example:8443, inner")
        .header("X-Forwarded-For", "2001:db8::7, 10.0.0.1");
    assert_eq!(next(older).await, "https://pulp.example:8443");
    let line = logged(&mut pulp, "api", "client=2001:db8::7").await;
    assert!(line.contains("user=admin method=GET"), "{line}");

    // Here it is not, but clients of the unix socket are.
    let address = free_address();
    let socket = pulp.directory().join("api.sock");
    let bind = format!("unix:{}", socket.display());
    let arguments = ["api", "-b", &address, "-b", "127.0.0.1:0", "-b", &bind];
    let trusted = ["--forwarded-allow-ips", "192.0.2.1,10.0.0.0/8"];
    pulp.spawn("careful", &[&arguments[..], &trusted].concat());
    let careful = Client::new(&format!("http://{address}"));
    until("the second API serves", || careful.try_get("/pulp/api/v3/status/")).await;
    let lie = list(&careful).header("Forwarded", forwarded).header("X-Forwarded-Proto", "https");
    assert_eq!(next(lie).await, careful.base);
    let http = reqwest::Client::builder().unix_socket(socket.clone()).no_proxy().build().unwrap();
    let local =
        |path: &str| http.get(format!("http://named.example{path}")).basic_auth("admin", Some(PASSWORD));
    assert_eq!(next(local(PAGE)).await, "http://named.example");
    assert_eq!(next(local(PAGE).header("Forwarded", forwarded)).await, "https://pulp.example");
    let log = pulp.process("careful").log();
    for place in [&format!("http://{address}"), "http://127.0.0.1:", &bind] {
        assert!(log.contains(&format!("listening on {place}")), "{log}");
    }

    pulp.process("careful").signal(rustix::process::Signal::TERM);
    until("the server ends", || {
        let status = pulp.process("careful").status();
        async move { status }
    })
    .await;
    assert!(!socket.exists(), "the socket goes with its server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_has_a_line_for_each_request_and_no_credentials() {
    let mut pulp = Pulp::builder().workers(1).start().await;
    let cid = "0123456789abcdef0123456789abcdef";
    let answer = pulp.client.get_with("/pulp/api/v3/tasks/?name=wanted", "Correlation-ID", cid).await;
    assert_eq!(answer.header("correlation-id"), cid);
    let line = logged(&mut pulp, "api", "name=wanted").await;
    let size = answer.bytes.len();
    let told = format!(
        "pulp [{cid}]: access:INFO: request client=127.0.0.1 user=admin method=GET \
         path=\"/pulp/api/v3/tasks/?name=wanted\" status=200 bytes={size} ms="
    );
    assert!(line.contains(&told), "{line}");

    let anonymous = send(pulp.client.anonymous(Method::GET, "/pulp/api/v3/tasks/?asked=by-nobody")).await;
    assert_eq!(anonymous.status, 401);
    let line = logged(&mut pulp, "api", "by-nobody").await;
    assert!(line.contains("status=401") && !line.contains("user="), "{line}");

    let listing = pulp.content.get("/pulp/content/").await;
    let size = listing.bytes.len();
    let line = logged(&mut pulp, "content", &format!("status=200 bytes={size} ")).await;
    assert!(line.contains("method=GET path=/pulp/content/"), "{line}");
    assert!(size > 0 && line.contains(listing.header("correlation-id")), "{line}");
    let line = logged(&mut pulp, "content", "method=HEAD").await;
    assert!(line.contains("bytes=0 "), "{line}");

    for process in ["api", "content"] {
        let log = pulp.process(process).log();
        for secret in [PASSWORD, "YWRtaW46", "Basic"] {
            assert!(!log.contains(secret), "{secret} is in the log of {process}");
        }
    }
}

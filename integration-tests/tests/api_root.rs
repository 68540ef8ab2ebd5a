//! Where the REST API is: under another root, and behind a proxy that serves it under a root of its own.

use integration_tests::{Answer, Pulp, send};
use reqwest::Method;
use serde_json::{Value, json};

const HEADER: &str = "X-Api-Root";
const ROOT: &str = "/repo/pulp/api/v3/";

/// Asks as the proxy does that serves Pulp below `/repo/`.
async fn proxied(pulp: &Pulp, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = pulp.client.request(method, path).header(HEADER, "/repo/pulp/");
    send(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn behind_a_proxy_every_name_begins_with_the_proxys_root() {
    let pulp = Pulp::builder().workers(0).set("PULP_API_ROOT_REWRITE_HEADER", HEADER).start().await;
    let list = format!("{ROOT}repositories/file/file/");
    for name in ["a", "b"] {
        let answer = proxied(&pulp, Method::POST, &list, Some(json!({"name": name}))).await;
        let location = answer.header("location").to_owned();
        let repository = answer.expect(201);
        let href = repository["pulp_href"].as_str().unwrap();
        assert!(href.starts_with(&list), "{href}");
        assert_eq!(location, href);
        assert_eq!(repository["versions_href"], format!("{href}versions/"));
        // What the proxy showed, the proxy understands.
        let read = proxied(&pulp, Method::GET, href, None).await.expect(200);
        assert_eq!(read["name"], name);
        let named = format!("{list}?pulp_href__in={href}");
        assert_eq!(proxied(&pulp, Method::GET, &named, None).await.expect(200)["count"], 1);
    }
    let page = proxied(&pulp, Method::GET, &format!("{list}?limit=1"), None).await.expect(200);
    let next = page["next"].as_str().unwrap();
    assert!(next.contains(&format!("{list}?")), "{next}");

    let redirect = proxied(&pulp, Method::GET, list.trim_end_matches('/'), None).await;
    assert_eq!((redirect.status, redirect.header("location")), (301, list.as_str()));
    let document = proxied(&pulp, Method::GET, &format!("{ROOT}docs/api.json"), None).await.expect(200);
    assert!(document["paths"].as_object().unwrap().contains_key(&list), "the document has the root, too");

    // Without the header the configured root holds, and the other one is no path of this server.
    let plain = pulp.client.get("/pulp/api/v3/repositories/file/file/?name=a").await.expect(200);
    assert!(plain["results"][0]["pulp_href"].as_str().unwrap().starts_with("/pulp/api/v3/"));
    assert_eq!(pulp.client.get(&list).await.status, 404);
}

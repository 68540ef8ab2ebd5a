//! The API document: a fold over the endpoints, made fit for clients that are strict.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, OpenApiBuilder, PathItem, Paths, Required,
    ResponseBuilder,
};

use crate::endpoint::Base;
use crate::{Component, Endpoint, PluginInfo, schema, views};

/// The document of core and these plugins, for a REST API at `root`. Needs neither a server nor a database.
pub fn document(plugins: &[Component], root: &str) -> Value {
    let mut components = vec![PluginInfo::CORE];
    components.extend(plugins.iter().map(|plugin| plugin.info));
    fold(&components, views::endpoints(plugins), root)
}

fn fold(plugins: &[PluginInfo], mut endpoints: Vec<Endpoint>, root: &str) -> Value {
    endpoints.retain(|endpoint| endpoint.base == Base::Api);
    endpoints.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    let mut paths = Paths::new();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    for endpoint in &endpoints {
        let parts = endpoint.body.iter().map(|(_, component)| component);
        for component in parts.chain(endpoint.answers.iter().filter_map(|(_, component)| component.as_ref()))
        {
            schemas.extend(component.schemas.clone());
        }
        let template = endpoint.template.clone().unwrap_or_else(|| format!("{root}{}", endpoint.path));
        let item = PathItem::new(http_method(&endpoint.method), operation(endpoint, &template));
        match paths.paths.get_mut(&template) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(template, item);
            }
        }
    }
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("sessionid")));
    let components = ComponentsBuilder::new()
        .security_scheme("basicAuth", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)))
        .security_scheme("cookieAuth", cookie);
    let document = OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Pulp 3 API").version("v3"))
        .paths(paths)
        .components(Some(components.build()))
        .build();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let versions: Map<String, Value> =
        plugins.iter().map(|plugin| (plugin.component.to_owned(), plugin.version.into())).collect();
    document["components"]["schemas"] = serde_json::to_value(schemas).unwrap_or_default();
    document["openapi"] = "3.1.1".into();
    document["info"]["x-pulp-app-versions"] = versions.into();
    document["info"]["x-pulp-domain-enabled"] = false.into();
    describe_responses(&mut document);
    document
}

fn operation(endpoint: &Endpoint, template: &str) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.operation_id.clone()))
        .tag(endpoint.tag.clone())
        .summary(Some(endpoint.summary.clone()));
    let in_path = template.split('{').skip(1).filter_map(|part| part.split('}').next());
    let mut parameters = endpoint.parameters.clone();
    parameters.extend(in_path.map(schema::path));
    parameters.sort_by(|a, b| (place(&a.parameter_in), &a.name).cmp(&(place(&b.parameter_in), &b.name)));
    for parameter in parameters {
        operation = operation.parameter(parameter);
    }
    if let Some((media, component)) = &endpoint.body {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for media_type in media.types() {
            body = body.content(*media_type, content(component));
        }
        operation = operation.request_body(Some(body.build()));
    }
    for (status, component) in &endpoint.answers {
        let mut response = ResponseBuilder::new();
        if let Some(component) = component {
            response = response.content("application/json", content(component));
        }
        operation = operation.response(status.as_str(), response.build());
    }
    if !endpoint.permission.is_anonymous() {
        operation = operation
            .security(SecurityRequirement::new::<_, [&str; 0], &str>("basicAuth", []))
            .security(SecurityRequirement::new::<_, [&str; 0], &str>("cookieAuth", []));
    }
    operation.build()
}

fn content(component: &schema::Component) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(component.reference())).build()
}

fn place(place: &ParameterIn) -> u8 {
    match place {
        ParameterIn::Header => 0,
        ParameterIn::Path => 1,
        _ => 2,
    }
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Clients require a description of every response, and an empty one is left out by the builder.
fn describe_responses(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    for operation in operations {
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(|responses| responses.values_mut()) {
            if response.get("description").is_none() {
                response["description"] = json!("");
            }
        }
    }
}

//! The document of the running API: its operations, and real hrefs for the parameters of their paths.

use integration_tests::Population;
use serde_json::{Map, Value};

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// GET, POST, …
    pub(crate) method: http::Method,
    /// The path with parameters, as documented.
    pub(crate) template: String,
    /// The path of objects that exist.
    pub(crate) path: String,
    /// Its parameters, schema of the answer, security, …
    pub(crate) details: Value,
}

impl Operation {
    /// The operationId.
    pub(crate) fn id(&self) -> &str {
        self.details["operationId"].as_str().unwrap()
    }

    /// The parameters of the query.
    pub(crate) fn query(&self) -> impl Iterator<Item = &Map<String, Value>> {
        let parameters = self.details["parameters"].as_array().into_iter().flatten();
        parameters.filter(|parameter| parameter["in"] == "query").filter_map(Value::as_object)
    }

    /// Whether it is documented to work without credentials.
    pub(crate) fn open(&self) -> bool {
        self.details["security"].is_null()
    }

    /// Whether it returns a page of a list.
    pub(crate) fn is_list(&self) -> bool {
        self.id().ends_with("_list")
    }

    /// The schema of its answer with this status.
    pub(crate) fn schema(&self, status: &str) -> &Value {
        &self.details["responses"][status]["content"]["application/json"]["schema"]
    }
}

/// All operations of the document, each with the path of an object that exists.
pub(crate) async fn operations(population: &Population, document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, details) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let path = String::new();
            operations.push(Operation { method, template: template.clone(), path, details: details.clone() });
        }
    }
    let unresolved = operations.clone();
    for operation in &mut operations {
        operation.path = resolve(population, &unresolved, &operation.template).await;
    }
    operations
}

/// Puts the href of the newest object into a template: each is the path of a `…_read`, and its `…_list` lists
/// it.
async fn resolve(population: &Population, operations: &[Operation], template: &str) -> String {
    let Some((parameter, rest)) = template.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        return template.to_owned();
    };
    let alone = format!("{{{parameter}}}");
    let read = operations.iter().find(|one| one.template == alone && one.method == "GET").unwrap();
    let list = read.id().replace("_read", "_list");
    let list = operations.iter().find(|one| one.id() == list).unwrap();
    let path = Box::pin(resolve(population, operations, &list.template)).await;
    let page = population.get(&path).await;
    let href = page["results"][0]["pulp_href"].as_str();
    format!("{}{rest}", href.unwrap_or_else(|| panic!("{path} lists nothing")))
}

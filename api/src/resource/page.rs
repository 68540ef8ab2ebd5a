//! Pages of lists: filters, order, limit and offset (R09, R10).

use entities::scope::key_column;
use sea_orm::sea_query::{Asterisk, Expr, Func, Order, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use serde::Serialize;
use utoipa::openapi::Type;
use utoipa::openapi::path::Parameter;

use super::Resource;
use crate::filter::{Matched, bad_reference, expression};
use crate::query::Query;
use crate::view::View;
use crate::{Error, Request, Response, Result, schema};

/// Rows of a page if a request does not say how many.
const LIMIT: u64 = 100;

/// Rows of a page at most, which bounds our memory.
const MAX_ROWS: u64 = 50_000;

/// Parameters of every list beside its own filters.
const COMMON: [&str; 8] =
    ["fields", "exclude_fields", "limit", "offset", "page_size", "ordering", "minimal", "q"];

#[derive(Serialize)]
struct Page<B> {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<B>,
}

/// What the document says of limit, offset and order.
pub(super) fn parameters<V: View>(resource: &Resource<V>) -> Vec<Parameter> {
    let integer = || schema::simple(Type::Integer, None);
    let mut parameters = vec![
        schema::query("limit", integer(), "Number of results to return per page."),
        schema::query("offset", integer(), "The initial index from which to return the results."),
    ];
    if !resource.filters.is_empty() {
        let about = "Filter results by using NOT, AND and OR operations on other filters";
        parameters.push(schema::query("q", schema::text(None), about));
    }
    if !resource.orderings.is_empty() {
        let names = resource.orderings.iter().map(|(name, _)| *name).chain(["pk"]);
        let words: Vec<String> = names.flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
        let word = schema::text(None).enum_values(Some(words));
        parameters.push(schema::query_list("ordering", word, "Ordering"));
    }
    parameters
}

pub(super) async fn list<V: View>(resource: &Resource<V>, request: &Request) -> Result<Response> {
    let query = &request.query;
    let _turn = request.context.turn_to_list().await?;
    query.check(|name| {
        COMMON.contains(&name) || resource.filters.iter().any(|filter| filter.name() == name)
    })?;
    let order = order(resource, query)?;
    let matched = matched(resource, request)?;
    let mut rows = resource.rows(request, resource.keys.len() - 1)?;
    if let Some(parent) = &resource.parent {
        parent.id(request).await?;
    }
    if let Some(matched) = matched {
        for need in matched.needs {
            if !exists(request, &need.exists).await? {
                return Err(bad_reference(&need.parameter));
            }
        }
        rows = rows.filter(matched.condition);
    }
    let count = count(&rows, request).await?;
    let limit = positive(query.get("limit")).filter(|limit| *limit > 0).unwrap_or(LIMIT);
    let offset = positive(query.get("offset")).unwrap_or(0);
    if Ord::min(limit, count.saturating_sub(offset)) > MAX_ROWS {
        let message = format!("A page has at most {MAX_ROWS} results: ask for the next ones with offset.");
        return Err(Error::field("limit", message));
    }
    let in_order = |rows: Select<V::Entity>| {
        order
            .iter()
            .fold(rows, |rows, (expression, direction)| rows.order_by(expression.clone(), direction.clone()))
    };
    let mut page = in_order(rows).limit(limit).offset(offset);
    if offset > 0 {
        // The keys are chosen first: what a row shows from other tables is not computed for rows that are
        // skipped.
        let key = key_column::<V::Entity>();
        let keys = page.select_only().column(key).into_query();
        let rows = resource.rows(request, resource.keys.len() - 1)?;
        page = in_order(rows.filter(key.in_subquery(keys)));
    }
    let results = resource.bodies(request, page).await?;
    let (next, previous) = neighbours(request, count, limit, offset);
    resource.selection(request).answer_page(&Page { count, next, previous, results })
}

/// What the filters of the query and its `q` stand for together.
fn matched<V: View>(resource: &Resource<V>, request: &Request) -> Result<Option<Matched>> {
    let (query, reader) = (&request.query, request.reader());
    let mut all: Option<Matched> = None;
    let mut add = |matched: Matched| {
        all = Some(match all.take() {
            Some(others) => others.and(matched),
            None => matched,
        });
    };
    for filter in &resource.filters {
        if let Some(value) = query.get(filter.name()) {
            add(filter.apply(value, &reader)?);
        }
    }
    if let Some(text) = query.get("q").filter(|text| !text.trim().is_empty()) {
        add(expression::apply(&resource.filters, text, &reader)?);
    }
    Ok(all)
}

async fn count<E: EntityTrait>(rows: &Select<E>, request: &Request) -> Result<u64> {
    let count = rows.clone().select_only().expr_as(Func::count(Expr::col(Asterisk)), "count");
    let count: Option<i64> = count.into_tuple().one(request.db()).await?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// The addresses of the pages after and before this one.
fn neighbours(request: &Request, count: u64, limit: u64, offset: u64) -> (Option<String>, Option<String>) {
    let url = |offset: u64| {
        let offset = (offset > 0).then(|| offset.to_string());
        request.url(&request.query.with(&[("limit", Some(limit.to_string())), ("offset", offset)]))
    };
    let next = offset.saturating_add(limit);
    ((next < count).then(|| url(next)), (offset > 0).then(|| url(offset.saturating_sub(limit))))
}

/// `ordering`, completed so that it is total.
fn order<V: View>(resource: &Resource<V>, query: &Query) -> Result<Vec<(Expr, Order)>> {
    let mut order = Vec::new();
    for word in query.list("ordering") {
        let (name, direction) = match word.strip_prefix('-') {
            Some(name) => (name, Order::Desc),
            None => (word, Order::Asc),
        };
        let known = resource.orderings.iter().find(|(known, _)| *known == name).map(|(_, column)| column);
        let key = || resource.tie_break.last().map(|(key, _)| key).filter(|_| name == "pk");
        let expression = known.or_else(key).ok_or_else(|| {
            let message = format!("Select a valid choice. {word} is not one of the available choices.");
            Error::field("ordering", message)
        })?;
        order.push((expression.clone(), direction));
    }
    if order.is_empty() {
        order.clone_from(&resource.default_order);
    }
    order.extend(resource.tie_break.iter().cloned());
    Ok(order)
}

async fn exists(request: &Request, rows: &SelectStatement) -> Result<bool> {
    Ok(request.db().query_one(rows).await?.is_some())
}

fn positive(text: Option<&str>) -> Option<u64> {
    text?.trim().parse::<i64>().ok()?.try_into().ok()
}

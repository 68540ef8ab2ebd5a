//! What plugins serve, as values: below their distributions, and below roots of their own.

use std::fmt;
use std::sync::Arc;

use entities::Result;
use futures_util::future::BoxFuture;
use http::Method;

use crate::{Answer, Distribution, Guard, Request, Response};

type Handled = BoxFuture<'static, Result<Option<Response>>>;
type OfDistribution = dyn Fn(Request, Distribution, Answer) -> Handled + Send + Sync;
type OfRoot = dyn Fn(Request, Answer) -> Handled + Send + Sync;

/// How the requests below a place are served.
///
/// ```
/// use content::{Answer, Service};
///
/// // Distributions that are served the usual way: files of the publication, listings.
/// let usual = Service::below_distributions("shelf.shelf");
/// // The same, with one path of the plugin's own: `None` leaves a request to the usual way.
/// let live = Service::live("shelf.shelf", |request, distribution, _| async move {
///     let own = request.path == "base-path";
///     Ok(own.then(|| Answer::text(&distribution.base_path)))
/// });
/// // A root of the plugin's own, with other methods.
/// let root = Service::at("/shelf/", |request, _| async move { Ok(Some(Answer::text(&request.path))) })
///     .methods([http::Method::GET, http::Method::PUT]);
/// ```
#[derive(Clone)]
pub struct Service {
    place: Place,
    methods: Vec<Method>,
    needs_publication: bool,
}

#[derive(Clone)]
enum Place {
    Distributions(&'static str, Option<Arc<OfDistribution>>),
    Root(&'static str, Arc<OfRoot>),
}

impl Service {
    /// Serves the distributions of a `pulp_type`: what their publications hold, with listings (A06 to A09).
    #[must_use]
    pub fn below_distributions(pulp_type: &'static str) -> Service {
        Service::new(Place::Distributions(pulp_type, None))
    }

    /// As [`Service::below_distributions`], but asks a handler first; `None` leaves a request to the usual
    /// way.
    #[must_use]
    pub fn live<F>(
        pulp_type: &'static str,
        handle: impl Fn(Request, Distribution, Answer) -> F + Send + Sync + 'static,
    ) -> Service
    where
        F: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        let live: Arc<OfDistribution> =
            Arc::new(move |request, distribution, answer| Box::pin(handle(request, distribution, answer)));
        Service::new(Place::Distributions(pulp_type, Some(live)))
    }

    /// Serves what is below a path of the server, such as `/v2/`; it begins and ends with a slash. Paths
    /// below the content prefix can be had, too: roots come first, the longest one before others.
    ///
    /// `None` is 404, an error is the status that belongs to it.
    #[must_use]
    pub fn at<F>(root: &'static str, handle: impl Fn(Request, Answer) -> F + Send + Sync + 'static) -> Service
    where
        F: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        Service::new(Place::Root(root, Arc::new(move |request, answer| Box::pin(handle(request, answer)))))
    }

    fn new(place: Place) -> Service {
        Service { place, methods: vec![Method::GET, Method::HEAD], needs_publication: true }
    }

    /// The methods that the handler takes; without this GET and HEAD. Others are refused (405).
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Service {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Serves the content of a version under its own paths where there is no publication (A06, A07).
    #[must_use]
    pub fn without_publication(mut self) -> Service {
        self.needs_publication = false;
        self
    }

    pub(crate) fn allowed(&self) -> &[Method] {
        &self.methods
    }

    /// Calls the handler below a distribution, if there is one.
    pub(crate) fn of_distribution(&self) -> Option<&OfDistribution> {
        match &self.place {
            Place::Distributions(_, live) => live.as_deref(),
            Place::Root(..) => None,
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Place::Distributions(place, _) | Place::Root(place, _)) = &self.place;
        f.debug_struct("Service")
            .field("place", place)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// All services and guards of a process.
#[derive(Clone, Debug, Default)]
pub struct Services {
    services: Vec<Service>,
    pub(crate) guards: Vec<&'static dyn Guard>,
}

impl Services {
    /// These services and guards.
    ///
    /// # Errors
    /// If two services have one place, or a root does not begin and end with a slash.
    pub fn new(
        services: impl IntoIterator<Item = Service>,
        guards: impl IntoIterator<Item = &'static dyn Guard>,
    ) -> anyhow::Result<Services> {
        let mut places = std::collections::BTreeSet::new();
        let mut services = Vec::from_iter(services);
        for service in &services {
            let (Place::Distributions(place, _) | Place::Root(place, _)) = service.place;
            if let Place::Root(root, _) = service.place {
                let proper = root.len() > 1 && root.starts_with('/') && root.ends_with('/');
                anyhow::ensure!(proper, "the root {root:?} of a service does not begin and end with a slash");
            }
            anyhow::ensure!(places.insert(place), "two services are for {place:?}");
        }
        services.sort_by_key(|service| match service.place {
            Place::Root(root, _) => std::cmp::Reverse(root.len()),
            Place::Distributions(..) => std::cmp::Reverse(0),
        });
        Ok(Services { services, guards: guards.into_iter().collect() })
    }

    /// The service for distributions of a type.
    pub(crate) fn of_type(&self, pulp_type: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| matches!(service.place, Place::Distributions(own, _) if own == pulp_type))
    }

    /// Whether distributions of a type are served through a publication only.
    pub(crate) fn needs_publication(&self, pulp_type: &str) -> bool {
        self.of_type(pulp_type).is_none_or(|service| service.needs_publication)
    }

    /// Whether distributions of any type take a method.
    pub(crate) fn below_distributions_take(&self, method: &Method) -> bool {
        let below = |service: &&Service| matches!(service.place, Place::Distributions(..));
        self.services.iter().filter(below).any(|service| service.methods.contains(method))
    }

    /// The service with the longest root that a path starts with.
    pub(crate) fn at(&self, path: &str) -> Option<Rooted<'_>> {
        self.services.iter().find_map(|service| match &service.place {
            Place::Root(root, handle) => {
                path.starts_with(root).then_some(Rooted { root, service, handle: &**handle })
            }
            Place::Distributions(..) => None,
        })
    }
}

/// A service with its root.
pub(crate) struct Rooted<'a> {
    pub root: &'static str,
    pub service: &'a Service,
    pub handle: &'a OfRoot,
}

//! What of a template becomes Jobs of ours, and what must hold.

use serde_json::Value;
use understudy_crds::{PreviewTemplateSpec, template};

use super::{Check, CheckKind, Faults, HttpCheck, JobCheck};
use crate::{answer::Wanted, object::text, parameters::Parameters, task};

/// The Jobs that prepare, and then those that check.
pub(super) fn jobs(
    template: &PreviewTemplateSpec,
    parameters: &Parameters,
    faults: &mut Faults,
) -> Vec<Value> {
    let prepare = template
        .prepare
        .iter()
        .map(|one| (format!("prepare {}", one.name), task::prepare(one, parameters)));
    let check = |one: &template::Check| {
        let job = one.job.as_ref()?;
        let made = task::check(one.name.as_str(), job, &one.timeout, parameters);
        Some((format!("check {}", one.name), made))
    };
    let all: Vec<_> = prepare.chain(template.checks.iter().filter_map(check)).collect();
    all.into_iter().filter_map(|(whose, made)| faults.keep(&whose, made)).collect()
}

/// Jobs of the stack whose names are like ours.
pub(super) fn taken(stack: &[Value]) -> Vec<String> {
    let like = |name: &str| name.starts_with("prepare-") || name.starts_with("check-");
    stack
        .iter()
        .filter(|object| text(object, "/kind") == "Job" && like(text(object, "/metadata/name")))
        .map(|job| {
            let name = text(job, "/metadata/name");
            format!("Job {name}: names that begin with `prepare-` or `check-` are those of the template's own Jobs: rename it")
        })
        .collect()
}

pub(super) fn checks(
    list: &[template::Check],
    parameters: &Parameters,
    faults: &mut Faults,
) -> Vec<Check> {
    let one = |check: &template::Check| {
        let kind = match (&check.http, &check.job) {
            (Some(http), _) => {
                CheckKind::Http(request(check.name.as_str(), http, parameters, faults)?)
            }
            (None, Some(job)) => CheckKind::Job(Box::new(JobCheck {
                job: Value::Null,
                results: job.results.clone(),
                retries: job.retries,
            })),
            // The schema allows no other.
            (None, None) => return None,
        };
        Some(Check {
            name: check.name.to_string(),
            timeout: check.timeout.clone(),
            required: check.required,
            kind,
        })
    };
    list.iter().filter_map(one).collect()
}

fn request(
    name: &str,
    http: &template::HttpCheck,
    parameters: &Parameters,
    faults: &mut Faults,
) -> Option<HttpCheck> {
    let whose = format!("check {name}");
    let path = faults.keep(&whose, parameters.render_text(&http.path, "http.path"));
    let mut text =
        |text: &str, field: &str| faults.keep(&whose, parameters.render_text(text, field));
    let contains = http.contains.as_ref().and_then(|words| text(words, "http.contains"));
    let json = http
        .json
        .as_ref()
        .and_then(|json| Some((json.pointer.clone(), text(&json.value, "http.json.value")?)));
    let header = http.header.as_ref().and_then(|header| {
        Some((header.name.clone(), text(&header.contains, "http.header.contains")?))
    });
    let wanted = Wanted { contains, json, header, within: http.within_milliseconds };
    Some(HttpCheck { path: path?, status: http.status, wanted })
}

//! Jobs as they are to be, before they are mended, allowed and named: what makes a stack ready, and what checks it.

use serde_json::{Map, Value, json};
use understudy_crds::{
    job::{JobCheck, Prepare, Resources, Variable, Word},
    scalar::Span,
};

use crate::parameters::{Parameters, Refusal};

/// The container of a Job of ours that does its work.
pub const MAIN: &str = "main";

/// By how much the Job's own deadline is longer than its pod's, in seconds. The controller deletes the pods of a Job
/// that is over its deadline, and logs and exit codes with them: so it is only a backstop.
const BACKSTOP: u64 = 120;

/// How long the containers of a pod have to end, in seconds: the last part of it brings the results out.
const GRACE: u64 = 60;

/// What both kinds of Job say.
struct Container<'words> {
    image: &'words str,
    command: &'words [Word],
    args: &'words [Word],
    env: &'words [Variable],
    resources: Option<&'words Resources>,
    user: Option<i64>,
}

/// The Job of something that prepares.
pub fn prepare(task: &Prepare, parameters: &Parameters) -> Result<Value, Refusal> {
    let container = Container {
        image: &task.image,
        command: &task.command,
        args: &task.args,
        env: &task.env,
        resources: task.resources.as_ref(),
        user: task.run_as_user,
    };
    job(&prepare_name(task.name.as_str()), &container, &task.timeout, parameters)
}

/// The Job of a check.
pub fn check(
    name: &str,
    check: &JobCheck,
    timeout: &Span,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let container = Container {
        image: &check.image,
        command: &check.command,
        args: &check.args,
        env: &check.env,
        resources: check.resources.as_ref(),
        user: Some(check.run_as_user),
    };
    job(&check_name(name), &container, timeout, parameters)
}

/// What the names of Jobs begin with.
pub fn prepare_name(name: &str) -> String {
    format!("prepare-{name}")
}

/// The same for checks.
pub fn check_name(name: &str) -> String {
    format!("check-{name}")
}

fn job(
    name: &str,
    container: &Container<'_>,
    timeout: &Span,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let Container { image, command, args, env, resources, user } = container;
    let mut main = Map::new();
    main.insert("name".to_owned(), json!(MAIN));
    main.insert("image".to_owned(), json!(parameters.render_text(image, "image")?));
    for (field, words) in [("command", command), ("args", args)] {
        let words: Result<Vec<String>, Refusal> =
            words.iter().map(|word| parameters.render_text(&word.0, field)).collect();
        let words = words?;
        if !words.is_empty() {
            main.insert(field.to_owned(), json!(words));
        }
    }
    let env: Result<Vec<Value>, Refusal> =
        env.iter().map(|one| variable(one, parameters)).collect();
    let env = env?;
    if !env.is_empty() {
        main.insert("env".to_owned(), json!(env));
    }
    if let Some(resources) = resources {
        main.insert("resources".to_owned(), json!(resources));
    }
    let mut pod = json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE,
        "activeDeadlineSeconds": timeout.duration().as_secs(), "containers": [main],
    });
    if let (Some(user), Some(fields)) = (user, pod.as_object_mut()) {
        let context = json!({"runAsUser": user, "runAsGroup": user, "fsGroup": user});
        fields.insert("securityContext".to_owned(), context);
    }
    Ok(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": timeout.duration().as_secs() + BACKSTOP + GRACE,
            "template": {"spec": pod},
        },
    }))
}

fn variable(one: &Variable, parameters: &Parameters) -> Result<Value, Refusal> {
    let field = format!("env {}", one.name);
    Ok(match (&one.value, &one.value_from) {
        (Some(value), _) => {
            json!({"name": one.name, "value": parameters.render_text(value, &field)?})
        }
        (None, Some(from)) => json!({"name": one.name, "valueFrom": from}),
        (None, None) => json!({"name": one.name}),
    })
}

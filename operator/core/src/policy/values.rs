//! Values that Kubernetes would refuse only once half of the stack stands: texts, amounts, names.
//!
//! A number or a word such as `on` where a text is meant is the commonest slip in YAML, and the API
//! server's own answer to it is hard to read.

use serde_json::Value;
use understudy_crds::isolation::Quantity;

use super::ObjectFindings;
use crate::object::{items, pod_template, text};

pub(super) fn look(object: &Value, found: &mut ObjectFindings<'_>) {
    texts(object, "/metadata", "metadata", &["labels", "annotations"], found);
    match text(object, "/kind") {
        "ConfigMap" => texts(object, "", "", &["data"], found),
        "Secret" => texts(object, "", "", &["data", "stringData"], found),
        "Service" => texts(object, "/spec", "spec", &["selector"], found),
        "PersistentVolumeClaim" => amounts(object, "/spec", "spec", found),
        _ => {}
    }
    let Some((pointer, place)) = pod_template(text(object, "/kind")) else { return };
    let (Some(above), Some(metadata)) =
        (pointer.strip_suffix("/spec"), place.strip_suffix(".spec"))
    else {
        return;
    };
    let lists = ["labels", "annotations"];
    texts(object, &format!("{above}/metadata"), &format!("{metadata}.metadata"), &lists, found);
    texts(object, "/spec/selector", "spec.selector", &["matchLabels"], found);
    texts(object, pointer, place, &["nodeSelector"], found);
    for list in ["initContainers", "containers"] {
        for (index, container) in items(object, &format!("{pointer}/{list}")) {
            container_values(container, &format!("{place}.{list}[{index}]"), found);
        }
    }
}

fn container_values(container: &Value, place: &str, found: &mut ObjectFindings<'_>) {
    for field in ["name", "image"] {
        if let Some(value) = container.get(field) {
            text_at(value, &format!("{place}.{field}"), found);
        }
    }
    for list in ["command", "args"] {
        for (index, word) in items(container, &format!("/{list}")) {
            text_at(word, &format!("{place}.{list}[{index}]"), found);
        }
    }
    for (index, variable) in items(container, "/env") {
        for field in ["name", "value"] {
            if let Some(value) = variable.get(field) {
                text_at(value, &format!("{place}.env[{index}].{field}"), found);
            }
        }
    }
    amounts(container, "", place, found);
}

/// Every value of these maps is a text.
fn texts(
    object: &Value,
    pointer: &str,
    place: &str,
    maps: &[&str],
    found: &mut ObjectFindings<'_>,
) {
    for map in maps {
        let fields = object.pointer(&format!("{pointer}/{map}")).and_then(Value::as_object);
        for (name, value) in fields.into_iter().flatten() {
            let dot = if place.is_empty() { "" } else { "." };
            text_at(value, &format!("{place}{dot}{map}.{name}"), found);
        }
    }
}

fn text_at(value: &Value, place: &str, found: &mut ObjectFindings<'_>) {
    let sentence = match value {
        Value::String(_) | Value::Null => return,
        Value::Bool(value) => format!(
            "is read as the truth value `{value}`, but a text is needed: put quotes around it \
             (YAML takes on, yes and y for true, and off, no and n for false)"
        ),
        Value::Number(number) => {
            format!("is read as the number `{number}`, but a text is needed: put quotes around it")
        }
        Value::Array(_) => "is a list, but a text is needed: write one text".to_owned(),
        Value::Object(_) => "is a group of fields, but a text is needed: write one text".to_owned(),
    };
    found.refuse(place, sentence);
}

/// Requests and limits: amounts, and none above its limit.
fn amounts(holder: &Value, pointer: &str, place: &str, found: &mut ObjectFindings<'_>) {
    let resources = format!("{pointer}/resources");
    for list in ["requests", "limits"] {
        let fields = holder.pointer(&format!("{resources}/{list}")).and_then(Value::as_object);
        for (name, value) in fields.into_iter().flatten() {
            let written = written(value);
            let place = format!("{place}.resources.{list}.{name}");
            if !is_amount(&written) {
                let sentence = format!(
                    "`{written}` is no amount: write a number and a unit, such as 500m, 2 or 512Mi"
                );
                found.refuse(&place, sentence);
                continue;
            }
            let limit = holder.pointer(&format!("{resources}/limits/{name}")).map(self::written);
            let Some(limit) = limit.filter(|_| list == "requests") else { continue };
            let amount = |text: &str| Quantity(text.to_owned()).thousandths();
            if amount(&written).zip(amount(&limit)).is_some_and(|(asked, most)| asked > most) {
                let sentence = format!(
                    "asks for {written}, which is more than the limit of {limit}: lower it, or raise the limit"
                );
                found.refuse(&place, sentence);
            }
        }
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What may stand behind a number, beside an exponent.
const UNITS: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The rule of Kubernetes for quantities, without a sign: none of ours may be negative.
fn is_amount(text: &str) -> bool {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let exponent = |rest: &str| {
        let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit())
    };
    let known = UNITS.contains(&unit) || unit.strip_prefix(['e', 'E']).is_some_and(exponent);
    digits > 0 && number.len() - digits <= 1 && known
}

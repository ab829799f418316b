//! Images of this commit: found, still waited for, or given up.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use understudy_crds::{condition::Reason, status::PinnedImage};

use super::{
    Ask, Stop,
    lifetime::{later, length},
};
use crate::{
    facts::{Facts, ImageFound},
    stack::{Image, Stack},
};

/// The shortest and the longest time between two looks at a tag that is not there.
const OFTEN: SignedDuration = SignedDuration::from_secs(2);
const SELDOM: SignedDuration = SignedDuration::from_secs(30);

/// How long an answer speaks for a tag that is not pinned yet.
const FRESH: SignedDuration = SignedDuration::from_secs(10);

/// After a registry asked to come back later.
const LATER: SignedDuration = SignedDuration::from_secs(60);

/// All pins, or what is missing; `asks` gets the look-ups that are due.
pub(super) fn pins(
    facts: &Facts,
    stack: &Stack,
    activity: Timestamp,
    asks: &mut Vec<Ask>,
) -> Result<Vec<PinnedImage>, Stop> {
    let commit = &facts.preview.spec.commit;
    let noted: BTreeMap<(&str, &str), &PinnedImage> = facts
        .preview
        .status
        .images
        .iter()
        .filter(|pin| pin.commit.as_ref() == Some(commit))
        .map(|pin| ((pin.name.as_str(), pin.tag.as_str()), pin))
        .collect();
    let mut pins = Vec::new();
    let mut missing: Option<Stop> = None;
    for image in &stack.images {
        if let Some(pin) = noted.get(&(image.name.as_str(), image.tag.as_str())) {
            pins.push((*pin).clone());
            continue;
        }
        match look(facts, image, activity, asks) {
            Ok(pin) => pins.push(pin),
            Err(stop) => missing = Some(Stop::first(missing, stop)),
        }
    }
    missing.map_or(Ok(pins), Err)
}

fn look(
    facts: &Facts,
    image: &Image,
    activity: Timestamp,
    asks: &mut Vec<Ask>,
) -> Result<PinnedImage, Stop> {
    let key = (image.name.clone(), image.tag.clone());
    let whole = format!("{}:{}", image.name, image.tag);
    let end = later(activity, length(&image.deadline));
    let ask = Ask::Image {
        name: key.0.clone(),
        tag: key.1.clone(),
        pull_secret: image.pull_secret.clone(),
    };
    let looked = facts.images.get(&key).filter(|looked| {
        // A tag may have moved since another preview looked at it.
        let found = matches!(looked.found, ImageFound::Found { .. });
        !found || looked.at.duration_until(facts.now) < FRESH
    });
    let Some(looked) = looked else {
        asks.push(ask);
        return Err(Stop::quiet(format!("looking for {whole}")));
    };
    if let ImageFound::Found { digest, platforms } = &looked.found {
        let ((name, tag), commit) = (key, Some(facts.preview.spec.commit.clone()));
        let (digest, platforms) = (digest.clone(), platforms.clone());
        return Ok(PinnedImage { name, tag, commit, digest, platforms });
    }
    let (reason, why) = said(&looked.found);
    if facts.now >= end {
        let message = format!(
            "{whole} did not appear within {}: {why}; push it and a new commit, or raise `deadline`",
            image.deadline
        );
        return Err(Stop::refused(Reason::ImageDeadlineExceeded, message));
    }
    let waited = activity.duration_until(looked.at);
    let pause = match looked.found {
        ImageFound::RateLimited => LATER,
        _ => (waited / 6).clamp(OFTEN, SELDOM),
    };
    let mut next = later(looked.at, pause).min(end);
    if facts.now >= next {
        asks.push(ask);
        // The answer brings us back; until then there is nothing to look for.
        next = later(facts.now, SELDOM).min(end);
    }
    Err(Stop::waiting(reason, format!("{whole}: {why}"), next))
}

fn said(found: &ImageFound) -> (Reason, String) {
    match found {
        ImageFound::Found { .. } => (Reason::Succeeded, "it is there".to_owned()),
        ImageFound::NotYet => {
            (Reason::ImageNotFound, "the tag is not in its registry yet".to_owned())
        }
        ImageFound::NoSuchRepository => (
            Reason::NoSuchRepository,
            "the registry knows no such repository; check the name, or push a first image"
                .to_owned(),
        ),
        ImageFound::Denied(why) => (
            Reason::ImageAccessDenied,
            format!(
                "the registry gives no access ({why}); name a Secret in `pullSecretRef` that may pull"
            ),
        ),
        ImageFound::RateLimited => (
            Reason::RegistryRateLimited,
            "the registry answers no more for now (rate limit); it is asked again in a minute"
                .to_owned(),
        ),
        ImageFound::Unavailable(why) => (
            Reason::RegistryUnavailable,
            format!("the registry does not answer as it should ({why})"),
        ),
        ImageFound::WrongPlatform(is) => {
            (Reason::WrongPlatform, format!("it is made for {is}, and no node of this cluster is"))
        }
    }
}

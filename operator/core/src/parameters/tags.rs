//! What may stand between braces, looked at before anybody parses it: names and plain texts, and `if` with
//! comparisons of them. Nothing is computed: a text of a few words could otherwise become one of terabytes, and
//! the template engine works some of it out while it parses.

/// Words that a block may begin with.
const BLOCKS: [&str; 6] = ["if", "elif", "else", "endif", "raw", "endraw"];

/// Looks at every tag; the error says what is wrong with the first that may not stand.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((begin, close)) = next(rest) {
        let inner = rest.get(begin + 2..).unwrap_or_default();
        if close == "#}" {
            let end = inner.find(close).ok_or("a comment does not end")?;
            rest = inner.get(end + 2..).unwrap_or_default();
            continue;
        }
        let end = end_of(inner, close).ok_or_else(|| format!("`{close}` is missing"))?;
        let tag = inner.get(..end).unwrap_or_default().trim_matches(['-', '+']).trim();
        rest = inner.get(end + 2..).unwrap_or_default();
        if close == "}}" {
            value(tag)?;
        } else if block(tag)? == "raw" {
            let end = after_raw(rest).ok_or("`{% endraw %}` is missing")?;
            rest = rest.get(end..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Where the next tag begins, and what ends it.
fn next(text: &str) -> Option<(usize, &'static str)> {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .filter_map(|(open, close)| Some((text.find(open)?, close)))
        .min_by_key(|(begin, _)| *begin)
}

/// Where a tag ends: not within quotes.
fn end_of(inner: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (index, letter) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(begun) if letter == begun => quote = None,
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            None if inner.get(index..).is_some_and(|rest| rest.starts_with(close)) => {
                return Some(index);
            }
            Some(_) | None => {}
        }
    }
    None
}

/// A name, or a text in quotes.
fn value(tag: &str) -> Result<(), String> {
    let words = words(tag)?;
    match words.as_slice() {
        [Word::Name | Word::Text] => Ok(()),
        _ => {
            Err(format!("`{tag}` is more than a name; names are replaced, and nothing is computed"))
        }
    }
}

/// The word a block begins with.
fn block(tag: &str) -> Result<&str, String> {
    let first = tag.split_whitespace().next().unwrap_or_default();
    if !BLOCKS.contains(&first) {
        return Err(format!(
            "`{first}` is not for parameters; only `if`, `elif`, `else` and `endif` are"
        ));
    }
    words(tag)?;
    Ok(first)
}

/// Where what follows `{% raw %}` goes on.
fn after_raw(text: &str) -> Option<usize> {
    text.match_indices("{%").find_map(|(begin, _)| {
        let inner = text.get(begin + 2..)?;
        let end = inner.find("%}")?;
        let tag = inner.get(..end)?.trim_matches(['-', '+']).trim();
        (tag == "endraw").then_some(begin + 2 + end + 2)
    })
}

/// What a tag is made of.
enum Word {
    Name,
    Text,
    Comparison,
}

fn words(tag: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = tag.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = quoted(inner, first)
                    .ok_or_else(|| format!("`{tag}`: a quote is not closed"))?;
                words.push(Word::Text);
                end + 2
            }
            '=' | '!' | '<' | '>' => {
                words.push(Word::Comparison);
                1
            }
            letter if letter.is_ascii_alphanumeric() || letter == '_' => {
                let name =
                    |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
                let end = rest.find(|letter| !name(letter)).unwrap_or(rest.len());
                words.push(Word::Name);
                end
            }
            other => {
                return Err(format!(
                    "unexpected `{other}`; names are replaced, nothing is computed"
                ));
            }
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(words)
}

/// Where a quoted text ends.
fn quoted(inner: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    inner.char_indices().find_map(|(index, letter)| {
        let ends = letter == quote && !escaped;
        escaped = letter == '\\' && !escaped;
        ends.then_some(index)
    })
}

//! Checks a JSON body against the schema that the API's document shows for it.
//!
//! One source of truth: a range, a default or an enum is written once, at the field, and both the
//! document and this check follow. Unlike a deserializer it does not stop at the first problem, and
//! it names the nearest valid field or value. Only the parts of JSON Schema that our types produce
//! are understood.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

use super::openapi::DOCUMENT;
use crate::domain::suggest::{nearest, shown};
pub(super) use query::query;
use way_out::{elsewhere, left_out, meant, typed, wrapped};

/// A body with everything that is wrong with its shape.
#[derive(Debug)]
pub(super) struct Checked<T> {
    /// As the client sent it.
    pub(super) raw: Value,
    /// What could be understood; what is wrong stands at its default.
    pub(super) value: Option<T>,
    /// Everything that is wrong.
    pub(super) problems: Vec<Problem>,
}

/// Checks a body against the schema of `T`.
pub(super) fn check<T: ToSchema + DeserializeOwned>(raw: Value) -> Checked<T> {
    let mut understood = raw.clone();
    let schema = json!({"$ref": format!("#/components/schemas/{}", T::name())});
    let mut walk = Walk { problems: Vec::new(), body: Some(&schema) };
    walk.value(&schema, &mut understood, "");
    let mut problems = walk.problems;
    let value = match serde_json::from_value(understood) {
        Ok(value) => Some(value),
        Err(error) if problems.is_empty() => {
            problems.push(Problem::new("", error.to_string()));
            None
        }
        Err(_) => None,
    };
    let nuls = nuls(&raw).into_iter().map(|pointer| Problem::new(pointer, NUL)).collect();
    let mut checked = Checked { raw, value, problems };
    checked.add(nuls);
    checked
}

/// What is wrong with a field that an object does not have.
pub(super) const NO_FIELD: &str = "is no field here";

/// What is wrong with a text that PostgreSQL would not take.
pub(super) const NUL: &str = "holds the character U+0000, which no text here may; leave it out";

/// Pointers to the names and texts in a value that hold U+0000.
fn nuls(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.contains('\0') => vec![String::new()],
        Value::Array(items) => {
            let of_each = items.iter().enumerate().flat_map(|(index, item)| {
                nuls(item).into_iter().map(move |rest| format!("/{index}{rest}"))
            });
            of_each.collect()
        }
        Value::Object(fields) => {
            let of_each = fields.iter().flat_map(|(name, value)| {
                let own = name.contains('\0').then(String::new);
                let below = own.into_iter().chain(nuls(value));
                below.map(move |rest| format!("/{}{rest}", escape(name)))
            });
            of_each.collect()
        }
        _ => Vec::new(),
    }
}

impl<T> Checked<T> {
    /// The value, or all that is wrong with it.
    ///
    /// # Errors
    /// The problems.
    pub(super) fn into_valid(self) -> Result<T, Vec<Problem>> {
        match self.value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// Adds what a later check found, less what follows from the problems known already.
    pub(super) fn add(&mut self, found: Vec<Problem>) {
        let below = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let known: Vec<String> = self.problems.iter().map(|p| p.pointer.clone()).collect();
        let follows = |problem: &Problem| {
            known
                .iter()
                .any(|known| below(&problem.pointer, known) || below(known, &problem.pointer))
        };
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(found.into_iter().filter(|problem| !follows(problem)).take(room));
    }
}

/// At most this many problems are told of one body.
const MAX_PROBLEMS: usize = 100;

struct Walk<'b> {
    problems: Vec<Problem>,
    /// The schema of the whole body; none where a value is only tried, and nobody reads ways out.
    body: Option<&'b Value>,
}

impl Walk<'_> {
    /// Checks a value and repairs what is wrong inside it; false when it is wrong itself.
    fn value(&mut self, schema: &Value, value: &mut Value, pointer: &str) -> bool {
        let schema = resolve(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            let may_be_null = variants.iter().any(|variant| resolve(variant)["type"] == "null");
            return value.is_null() && may_be_null || self.one_of(variants, value, pointer);
        }
        if !self.has_type(schema, value, pointer) {
            return false;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.unknown_name(value, allowed.iter().filter_map(Value::as_str), pointer);
            return false;
        }
        match value {
            Value::Number(number) => self.number(schema, number, pointer),
            Value::String(text) => self.length(schema, "Length", text.chars().count(), pointer),
            Value::Array(items) => {
                let fits = self.length(schema, "Items", items.len(), pointer);
                // An item cannot be left out without moving the others, so all stand or fall.
                let each: Vec<bool> = items
                    .iter_mut()
                    .enumerate()
                    .map(|(i, item)| self.value(&schema["items"], item, &format!("{pointer}/{i}")))
                    .collect();
                fits && each.into_iter().all(|ok| ok)
            }
            Value::Object(fields) => {
                self.object(schema, fields, pointer);
                true
            }
            Value::Null | Value::Bool(_) => true,
        }
    }

    fn object(&mut self, schema: &Value, fields: &mut Map<String, Value>, pointer: &str) {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            let at = format!("{pointer}/{}", escape(&name));
            let rest = &schema["additionalProperties"];
            if let Some(property) = properties.get(&name) {
                let ok = fields.get_mut(&name).is_none_or(|v| self.value(property, v, &at));
                if !ok {
                    self.say_if_left_out(schema, (property, &fields[&name]), (&name, &at));
                    self.repair(schema, property, fields, &name);
                }
            } else if rest == &Value::Bool(false) {
                self.unknown_field(&name, properties, at);
                fields.remove(&name);
            } else if rest.is_object() {
                let ok = fields.get_mut(&name).is_none_or(|v| self.value(rest, v, &at));
                if !ok {
                    fields.remove(&name);
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.push(Problem::new(format!("{pointer}/{}", escape(name)), "is required"));
                fields.insert(name.to_owned(), placeholder(&properties[name]));
            }
        }
    }

    /// Adds to the problem of a field that need not be there what leaving it out would do.
    fn say_if_left_out(
        &mut self,
        schema: &Value,
        (property, value): (&Value, &Value),
        (name, pointer): (&str, &str),
    ) {
        if let Some(problem) = self.problems.last_mut()
            && problem.pointer == pointer
            && problem.suggestion.is_none()
            && !is_required(schema, name)
        {
            problem.suggestion = left_out(property, value);
        }
    }

    /// What is wrong is left out, or stands at a placeholder where it is needed.
    fn repair(
        &self,
        schema: &Value,
        property: &Value,
        fields: &mut Map<String, Value>,
        name: &str,
    ) {
        if is_required(schema, name) {
            fields.insert(name.to_owned(), placeholder(property));
        } else {
            fields.remove(name);
        }
    }

    fn one_of(&mut self, variants: &[Value], value: &mut Value, pointer: &str) -> bool {
        let variants: Vec<&Value> =
            variants.iter().map(resolve).filter(|variant| variant["type"] != "null").collect();
        let fitting: Vec<&Value> =
            variants.iter().copied().filter(|variant| type_fits(variant, value)).collect();
        // An object's `type` says which variant is meant, also where a bare name would do.
        let meant = if value.is_object() { &fitting } else { &variants };
        let tagged: Vec<(&str, &Value)> =
            meant.iter().filter_map(|variant| Some((tag(variant)?, *variant))).collect();
        if !tagged.is_empty() && tagged.len() == meant.len() {
            return self.tagged(&tagged, value, pointer);
        }
        if let Some(names) = value.as_str().and_then(|_| names(&fitting)) {
            let known = names.iter().any(|name| value == name);
            if !known {
                self.unknown_name(value, names.into_iter(), pointer);
                self.say_if_an_object(&variants, value, pointer);
            }
            return known;
        }
        match fitting.as_slice() {
            [] => {
                let mut kinds: Vec<String> = variants.iter().map(|variant| kind(variant)).collect();
                kinds.dedup();
                let problem = Problem::new(pointer, format!("must be {}", kinds.join(" or ")));
                let way_out = variants.iter().find_map(|variant| self.wrapped(variant, value));
                self.push(Problem { suggestion: way_out, ..problem });
                false
            }
            [one] => self.value(one, value, pointer),
            [first, ..] => {
                if fitting.iter().any(|variant| self.accepts(variant, value)) {
                    return true;
                }
                // Of objects that say what they are, the one is meant that this says to be.
                let tagged: Vec<(&str, &Value)> =
                    fitting.iter().filter_map(|variant| Some((tag(variant)?, *variant))).collect();
                if tagged.len() == fitting.len() {
                    return self.tagged(&tagged, value, pointer);
                }
                self.value(first, value, pointer)
            }
        }
    }

    /// Adds to the problem of a name that is like none of those known which object it may stand for.
    fn say_if_an_object(&mut self, variants: &[&Value], value: &Value, pointer: &str) {
        let way_out = variants.iter().find_map(|variant| self.wrapped(variant, value));
        if let (Some(problem), Some(way_out)) = (self.problems.last_mut(), way_out)
            && problem.pointer == pointer
            && problem.suggestion.as_ref().is_some_and(|known| known.starts_with(ONE_OF))
        {
            problem.suggestion = Some(way_out);
        }
    }

    /// Whether a value has nothing wrong with it.
    fn accepts(&self, schema: &Value, value: &Value) -> bool {
        let mut trial = Self { problems: Vec::new(), body: None };
        trial.value(schema, &mut value.clone(), "") && trial.problems.is_empty()
    }

    fn wrapped(&self, schema: &Value, value: &Value) -> Option<String> {
        self.body?;
        wrapped(schema, value, |schema, value| self.accepts(schema, value))
    }

    fn tagged(&mut self, variants: &[(&str, &Value)], value: &mut Value, pointer: &str) -> bool {
        if !value.is_object() {
            let problem = Problem::new(pointer, "must be an object with a `type`");
            self.push(problem.suggest(typed(variants, value)));
            return false;
        }
        let names = || variants.iter().map(|(name, _)| *name);
        let at = format!("{pointer}/type");
        match value.get("type") {
            None => {
                let known: Vec<&str> = names().collect();
                let problem = Problem::new(at, "is required");
                self.push(problem.suggest(format!("{ONE_OF}{}", known.join(", "))));
                false
            }
            Some(given) => match variants.iter().find(|(name, _)| given == name) {
                Some((_, variant)) => self.value(variant, value, pointer),
                None => {
                    let given = given.clone();
                    self.unknown_name(&given, names(), &at);
                    false
                }
            },
        }
    }

    fn has_type(&mut self, schema: &Value, value: &Value, pointer: &str) -> bool {
        if type_fits(schema, value) {
            return true;
        }
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(v) => v.to_string(),
            Value::Number(v) => v.to_string(),
            Value::String(_) => "text".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        let problem = Problem::new(pointer, format!("must be {}, not {found}", kind(schema)));
        let way_out = self.wrapped(schema, value);
        self.push(Problem { suggestion: way_out, ..problem });
        false
    }

    fn number(&mut self, schema: &Value, number: &serde_json::Number, pointer: &str) -> bool {
        let Some(value) = number.as_f64() else {
            return true;
        };
        type Holds = fn(f64, f64) -> bool;
        let rules: [(&str, &str, Holds); 4] = [
            ("exclusiveMinimum", ">", |v, bound| v > bound),
            ("minimum", ">=", |v, bound| v >= bound),
            ("exclusiveMaximum", "<", |v, bound| v < bound),
            ("maximum", "<=", |v, bound| v <= bound),
        ];
        let mut ok = true;
        for (keyword, sign, holds) in rules {
            if let Some(bound) = schema[keyword].as_f64()
                && !holds(value, bound)
            {
                self.push(Problem::new(pointer, format!("must be {sign} {}", schema[keyword])));
                ok = false;
            }
        }
        let widest = f64::from(u32::MAX);
        if ok && schema["format"] == "int32" && value > widest {
            self.push(Problem::new(pointer, format!("must be <= {widest}")));
            ok = false;
        }
        ok
    }

    fn length(&mut self, schema: &Value, of: &str, length: usize, pointer: &str) -> bool {
        let unit = if of == "Items" { "items" } else { "characters" };
        let bound = |name: &str| schema[format!("{name}{of}")].as_u64();
        let detail = match (bound("min"), bound("max")) {
            (Some(1), _) if length == 0 => "must not be empty".to_owned(),
            (Some(min), _) if (length as u64) < min => format!("must have at least {min} {unit}"),
            (_, Some(max)) if length as u64 > max => format!("must have at most {max} {unit}"),
            _ => return true,
        };
        self.push(Problem::new(pointer, detail));
        false
    }

    fn unknown_field(&mut self, name: &str, properties: &Map<String, Value>, pointer: String) {
        if self.problems.len() < MAX_PROBLEMS {
            let known = properties.keys().map(String::as_str);
            let place = match meant(name, &known) {
                None => self.body.and_then(|body| elsewhere(body, properties, (name, &pointer))),
                Some(_) => None,
            };
            let problem = Problem::new(pointer, NO_FIELD);
            self.push(match place {
                Some(place) => problem.suggest(place),
                None => suggest(problem, name, known),
            });
        }
    }

    fn unknown_name<'a>(
        &mut self,
        given: &Value,
        known: impl Iterator<Item = &'a str> + Clone,
        pointer: &str,
    ) {
        if self.problems.len() < MAX_PROBLEMS {
            let name = given.as_str().map_or_else(|| shown(&given.to_string()), shown);
            let problem = Problem::new(pointer, format!("{name} is not known here"));
            self.push(suggest(problem, given.as_str().unwrap_or_default(), known));
        }
    }

    fn push(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

fn suggest<'a>(
    problem: Problem,
    given: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    match meant(given, &known).or_else(|| nearest(given, known.clone())) {
        Some(name) => problem.suggest(name),
        None => problem.suggest(format!("{ONE_OF}{}", known.collect::<Vec<_>>().join(", "))),
    }
}

/// What a suggestion begins with that is no more than all there is.
const ONE_OF: &str = "one of: ";

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().into_iter().flatten().any(|required| required == name)
}

fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => resolve(&DOCUMENT["components"]["schemas"][name]),
        None => schema,
    }
}

/// The name in a variant's `type` field.
fn tag(variant: &Value) -> Option<&str> {
    match variant.pointer("/properties/type/enum")?.as_array()?.as_slice() {
        [one] => one.as_str(),
        _ => None,
    }
}

/// The names that texts of these variants may be, if each of them takes names only.
fn names<'a>(variants: &[&'a Value]) -> Option<Vec<&'a str>> {
    let of_each = variants.iter().map(|variant| variant["enum"].as_array());
    let lists = of_each.collect::<Option<Vec<_>>>().filter(|lists| !lists.is_empty())?;
    Some(lists.into_iter().flatten().filter_map(Value::as_str).collect())
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_fits(schema: &Value, value: &Value) -> bool {
    if schema["oneOf"].is_array() {
        return true;
    }
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        })
}

/// A schema's types in words.
fn kind(schema: &Value) -> String {
    if let (Some(allowed), "string") = (schema["enum"].as_array(), types(schema).join("").as_str())
    {
        return allowed.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    let words: Vec<&str> = types(schema)
        .into_iter()
        .map(|name| match name {
            "boolean" => "true or false",
            "integer" => "a whole number",
            "number" => "a number",
            "string" => "text",
            "array" => "an array",
            "object" => "an object",
            other => other,
        })
        .collect();
    words.join(" or ")
}

/// The least that deserializes, so that a later check can look at everything else.
fn placeholder(schema: &Value) -> Value {
    let schema = resolve(schema);
    if let Some(first) = schema["oneOf"].as_array().and_then(|variants| variants.first()) {
        return placeholder(first);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|names| names.first()) {
        return first.clone();
    }
    match types(schema).first().copied() {
        Some("string") => json!(""),
        Some("integer" | "number") => json!(0),
        Some("array") => json!([]),
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let field = |name: &str| (name.to_owned(), placeholder(&schema["properties"][name]));
            Value::Object(required.filter_map(Value::as_str).map(field).collect())
        }
        Some("boolean") => json!(false),
        _ => Value::Null,
    }
}

/// A field's name inside a JSON pointer (RFC 6901), cut where it is too long to be one.
fn escape(name: &str) -> String {
    let end = name.char_indices().nth(100).map_or(name.len(), |(end, _)| end);
    name[..end].replace('~', "~0").replace('/', "~1")
}

mod query;
mod way_out;

#[cfg(test)]
mod tests;

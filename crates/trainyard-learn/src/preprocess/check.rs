//! What can be wrong with a preparation: by itself, and for the columns of a table.

use super::columns::ColumnSpec;
use super::encode::EncodeSpec;
use super::impute::CategoricalImpute;
use super::scale::{PowerMethod, ScaleSpec};
use super::spec::{CategoricalSpec, PreprocessSpec, UnseenCategory};
use super::treatment::{Treatment, plural};
use super::{MAX_FEATURES, shown};
use crate::nearest::nearest;
use crate::optim::fields::{Field, Range};
use crate::problem::Problem;
use crate::table::ColumnType;

impl PreprocessSpec {
    /// Everything that is wrong with this spec for these columns, with pointers relative to it.
    pub fn check(&self, columns: &[(String, ColumnType)]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |below: &str, found: Vec<Problem>| {
            problems.extend(found.into_iter().map(|problem| problem.below(below)));
        };
        add("/numeric", self.numeric.check());
        add("/categorical", check_category(&self.categorical));
        add("/datetime", self.datetime.check());
        add("/text", self.text.check_all());
        add("/tensor", self.tensor.check());
        if let Some(polynomial) = &self.polynomial {
            add("/polynomial", polynomial.check());
        }
        let range = Range { minimum: Some(0.0), ..Range::default() };
        self.variance_threshold.check("variance_threshold", range, &mut problems);
        for (name, spec) in &self.columns {
            let pointer = format!("/columns/{}", name.replace('~', "~0").replace('/', "~1"));
            if let Some((_, of)) = columns.iter().find(|(column, _)| column == name) {
                problems.extend(
                    self.check_column(name, *of, spec).into_iter().map(|p| p.below(&pointer)),
                );
            } else {
                let problem = Problem::new(pointer, format!("there is no column {}", shown(name)));
                let names = columns.iter().map(|(column, _)| column.as_str());
                problems.push(match nearest(name, names) {
                    Some(nearest) => problem.suggest(nearest),
                    None => problem,
                });
            }
        }
        self.check_whole(columns, &mut problems);
        problems
    }

    /// What is wrong with what is asked of one column.
    fn check_column(&self, name: &str, of: ColumnType, spec: &ColumnSpec) -> Vec<Problem> {
        let (treatment, misfits) = self.treatment(name, of);
        let options = match spec {
            ColumnSpec::Drop => return Vec::new(),
            ColumnSpec::Passthrough if of.is_number() || of == ColumnType::Tensor => {
                return Vec::new();
            }
            ColumnSpec::Passthrough => {
                let detail = format!("a column of {} cannot be taken as it is", plural(of));
                let way_out = "drop it, or leave it to its type";
                return vec![Problem::new("", detail).suggest(way_out)];
            }
            ColumnSpec::Options(options) => options,
        };
        let mut problems: Vec<Problem> = misfits
            .into_iter()
            .map(|(option, detail)| Problem::new(format!("/{option}"), detail))
            .collect();
        let given = serde_json::to_value(options).unwrap_or_default();
        let given: Vec<&String> = given.as_object().into_iter().flat_map(|o| o.keys()).collect();
        let known = treatment.options();
        for option in &given {
            if option.as_str() != "as" && !known.contains(&option.as_str()) {
                let treated = treatment_words(&treatment);
                let detail = format!("{option} is no option of {treated}");
                let way_out = format!("its options are {}", known.join(", "));
                problems.push(Problem::new(format!("/{option}"), detail).suggest(way_out));
            }
        }
        let of_treatment = match &treatment {
            Treatment::Drop | Treatment::Passthrough => Vec::new(),
            Treatment::Number(spec) => spec.check(),
            Treatment::Category(spec) => check_category(spec),
            Treatment::Moment(spec) => spec.check(),
            Treatment::Text(spec) => spec.check_all(),
            Treatment::Tensor(spec) => spec.check(),
        };
        // What all columns share is found wrong where it stands.
        let is_given = |problem: &Problem| {
            let option = problem.pointer.split('/').nth(1);
            option.is_some_and(|option| given.iter().any(|given| *given == option))
        };
        problems.extend(of_treatment.into_iter().filter(is_given));
        if let Treatment::Category(spec) = &treatment
            && matches!(*spec.encode, EncodeSpec::Hashing(_))
            && spec.unseen == UnseenCategory::Error
            && options.unseen.is_none()
            && !matches!(*self.categorical.encode, EncodeSpec::Hashing(_))
        {
            let detail = "hashing knows no categories, so it cannot refuse those that were unseen, as \
                          categorical.unseen asks for";
            let way_out = "take another encoding, or set \"unseen\": \"ignore\" for this column";
            problems.push(Problem::new("/encode", detail).suggest(way_out));
        }
        if let (Treatment::Category(spec), ColumnType::Numeric) = (&treatment, of)
            && let CategoricalImpute::Constant { value } = &*spec.impute
            && value.parse::<f64>().is_err()
            && !matches!(*spec.encode, EncodeSpec::Hashing(_))
        {
            let detail = format!("{} is no number as its other categories are", shown(value));
            let way_out = "name a number, or none for a category of its own";
            problems.push(Problem::new("/impute", detail).suggest(way_out));
        }
        problems
    }

    /// What is wrong with all columns together.
    fn check_whole(&self, columns: &[(String, ColumnType)], problems: &mut Vec<Problem>) {
        let treatments: Vec<Treatment> =
            columns.iter().map(|(name, of)| self.treatment(name, *of).0).collect();
        if !columns.is_empty() && treatments.iter().all(|t| *t == Treatment::Drop) {
            let way_out = "keep at least one column";
            problems.push(Problem::new("/columns", "every column is dropped").suggest(way_out));
        }
        for ((name, of), treatment) in columns.iter().zip(&treatments) {
            if *of == ColumnType::Boolean && is_by_box_cox(treatment) {
                let pointer = match self.columns.contains_key(name) {
                    true => {
                        format!("/columns/{}/scale", name.replace('~', "~0").replace('/', "~1"))
                    }
                    false => "/numeric/scale".to_owned(),
                };
                let detail =
                    format!("column {} is of booleans, whose 0 box-cox does not take", shown(name));
                let way_out =
                    format!("set \"columns\": {{{name:?}: \"passthrough\"}}, or take yeo-johnson");
                problems.push(Problem::new(pointer, detail).suggest(way_out));
            }
        }
        let Some(polynomial) = &self.polynomial else { return };
        let inputs = treatments
            .iter()
            .zip(columns)
            .filter(|(treatment, (_, of))| is_multiplied(treatment, *of))
            .count();
        let n_products = polynomial.n_products(inputs);
        if inputs == 0 && !columns.is_empty() {
            let way_out = "leave polynomial out";
            let detail = "there is no numeric column to multiply";
            problems.push(Problem::new("/polynomial", detail).suggest(way_out));
        } else if n_products > MAX_FEATURES {
            let detail = format!(
                "degree {} of {inputs} columns makes more than {MAX_FEATURES} features",
                polynomial.degree
            );
            let way_out = "lower the degree, or set interaction_only";
            problems.push(Problem::new("/polynomial/degree", detail).suggest(way_out));
        }
    }
}

/// Whether a column's feature is a factor of polynomials.
pub(super) fn is_multiplied(treatment: &Treatment, of: ColumnType) -> bool {
    match treatment {
        Treatment::Number(_) => true,
        Treatment::Passthrough => of.is_number(),
        _ => false,
    }
}

fn is_by_box_cox(treatment: &Treatment) -> bool {
    let Treatment::Number(spec) = treatment else { return false };
    matches!(spec.scale.as_deref(), Some(ScaleSpec::Power(power)) if power.method == PowerMethod::BoxCox)
}

fn treatment_words(treatment: &Treatment) -> &'static str {
    match treatment {
        Treatment::Drop | Treatment::Passthrough => "such a column",
        Treatment::Number(_) => "a column of numbers",
        Treatment::Category(_) => "a column of categories",
        Treatment::Moment(_) => "a column of moments",
        Treatment::Text(_) => "a column of texts",
        Treatment::Tensor(_) => "a column of tensors",
    }
}

fn check_category(spec: &CategoricalSpec) -> Vec<Problem> {
    let mut problems = spec.check();
    if let Some(least) = spec.min_frequency
        && least > 1.0
        && least.fract() != 0.0
    {
        let detail =
            format!("min_frequency is {least}; it must be a share below 1 or a whole number");
        problems.push(Problem::new("/min_frequency", detail));
    }
    if matches!(*spec.encode, EncodeSpec::Hashing(_)) {
        let given = [
            ("min_frequency", spec.min_frequency.is_some()),
            ("max_categories", spec.max_categories.is_some()),
            ("unseen", spec.unseen != UnseenCategory::Ignore),
        ];
        for (option, _) in given.iter().filter(|(_, is_given)| *is_given) {
            let detail = format!("{option} has no effect on hashing, which knows no categories");
            let way_out = format!("leave {option} out, or take another encoding");
            problems.push(Problem::new(format!("/{option}"), detail).suggest(way_out));
        }
    }
    problems
}

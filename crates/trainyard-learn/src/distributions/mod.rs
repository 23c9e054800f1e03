//! Distributions that statistics come of: their shares and quantiles, to the last digits but a few.

mod normal;
mod student_t;

pub use normal::{normal_cdf, normal_quantile};
pub use student_t::{fair_binomial_cdf, student_t_cdf, student_t_quantile, student_t_two_sided};

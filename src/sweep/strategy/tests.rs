//! What holds for all strategies, and what each must be good for.

use serde_json::json;

use super::*;
use crate::project::manifest;
use crate::sweep::plan::Rungs;

fn plan(strategy: manifest::Strategy, params: &[&str]) -> Plan {
    let named = |(place, text): (usize, &&str)| (format!("p{place}"), text.parse().unwrap());
    let params = params.iter().enumerate().map(named).collect();
    Plan { strategy, params, seed: 7, ..Plan::example() }
}

/// The first trials, with losses by this function, in order.
fn trials(plan: &Plan, count: u64, loss: impl Fn(&Values) -> Option<f64>) -> Vec<(Values, Option<f64>)> {
    let mut strategy = of(plan);
    let mut trials = Vec::new();
    for number in 0..count {
        let Some(values) = strategy.ask(number) else { break };
        strategy.begin(number, &values);
        let loss = loss(&values);
        strategy.tell(number, loss);
        trials.push((values, loss));
    }
    trials
}

fn numbers(values: &Values) -> Vec<f64> {
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn a_grid_has_every_combination_once() {
    let plan = plan(manifest::Strategy::Grid, &["a,b", "int(1..3)", "uniform(0..1 by 0.5)"]);

    let values: Vec<Values> = trials(&plan, 100, |_| None).into_iter().map(|(values, _)| values).collect();

    assert_eq!(values.len(), 18);
    assert_eq!(values[0], [json!("a"), json!(1), json!(0.0)]);
    assert_eq!(values[1], [json!("a"), json!(1), json!(0.5)]);
    assert_eq!(values[17], [json!("b"), json!(3), json!(1.0)]);
    assert!(values.iter().all(|one| values.iter().filter(|other| *other == one).count() == 1));
}

#[test]
fn the_same_seed_gives_the_same_trials_and_another_gives_others() {
    let domains = ["log(1e-4..1e-1)", "int(50..500)", "a,b,c", "int(1..1000 log)", "uniform(0..1 by 0.1)"];
    let loss = |values: &Values| values[0].as_f64().map(|lr| (lr - 0.01).abs());
    for strategy in [manifest::Strategy::Random, manifest::Strategy::Sobol, manifest::Strategy::Tpe] {
        let plan = plan(strategy, &domains);
        let one = trials(&plan, 40, loss);

        assert_eq!(one, trials(&plan, 40, loss));
        assert_ne!(one, trials(&Plan { seed: 8, ..plan.clone() }, 40, loss));
        for (values, _) in one {
            assert!(plan.params.iter().zip(&values).all(|((_, domain), value)| domain.contains(value)), "{values:?}");
        }
    }
}

#[test]
fn tpe_goes_on_the_same_after_it_is_told_the_same_again() {
    let plan = plan(manifest::Strategy::Tpe, &["uniform(-5..5)", "x,y"]);
    let loss = |values: &Values| values[0].as_f64().map(|x| x * x).filter(|loss| *loss < 20.0);
    let whole = trials(&plan, 30, loss);

    let mut resumed = of(&plan);
    for (number, (values, loss)) in (0..).zip(&whole[..20]) {
        resumed.begin(number, values);
        resumed.tell(number, *loss);
    }

    assert_eq!(resumed.ask(20).unwrap(), whole[20].0);
}

#[test]
fn tpe_finds_what_chance_does_not() {
    let domains = ["uniform(-5..5)", "uniform(-5..5)", "uniform(-5..5)", "log(1e-5..1)"];
    let loss = |values: &Values| {
        let x = numbers(values);
        Some(x[..3].iter().map(|x| (x - 1.0).powi(2)).sum::<f64>() + (x[3].log10() + 3.0).powi(2))
    };
    let best = |strategy, seed| {
        let plan = Plan { seed, ..plan(strategy, &domains) };
        trials(&plan, 100, loss).into_iter().filter_map(|(_, loss)| loss).fold(f64::INFINITY, f64::min)
    };

    let wins = (0..10).filter(|seed| best(manifest::Strategy::Tpe, *seed) < best(manifest::Strategy::Random, *seed));

    assert!(wins.count() >= 9);
}

#[test]
fn tpe_learns_from_failures() {
    let plan = plan(manifest::Strategy::Tpe, &["good,fails", "uniform(0..1)"]);
    let loss = |values: &Values| (values[0] == "good").then(|| values[1].as_f64().unwrap());

    let late = trials(&plan, 60, loss).split_off(30);

    assert!(late.iter().filter(|(_, loss)| loss.is_some()).count() > 22);
}

#[test]
fn asha_lets_the_best_quarter_go_on() {
    let rungs = Rungs { min: 2, max: Some(32), reduction: 4 };
    let mut asha = of(&Plan { rungs: Some(rungs), ..plan(manifest::Strategy::Random, &["uniform(0..1)"]) });

    let verdicts: Vec<Verdict> = (0..8).map(|number| asha.report(number, 2, number as f64)).collect();

    assert_eq!(asha.report(0, 1, 0.0), Verdict::Unjudged, "before the first rung");
    assert_eq!(asha.report(0, 3, 0.0), Verdict::Unjudged, "between two rungs");
    assert_eq!(verdicts[..2], [Verdict::GoOn, Verdict::Stop]);
    assert_eq!(asha.report(8, 2, 0.5), Verdict::GoOn, "second of nine");
    assert_eq!(asha.report(9, 2, 3.5), Verdict::Stop);
    assert_eq!(asha.report(0, 9, 0.0), Verdict::GoOn, "the rung at 8, reached with step 9");
    assert_eq!(asha.report(0, 500, 0.0), Verdict::GoOn, "the last rung");
    asha.begin(9, &vec![json!(0.5)]);
    assert_eq!(asha.report(9, 2, -1.0), Verdict::GoOn, "another attempt counts anew");
}

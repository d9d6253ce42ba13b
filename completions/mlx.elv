
use builtin;
use str;

set edit:completion:arg-completer[mlx] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'mlx'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'mlx'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand init 'Start a project'
            cand runs 'List the runs'
            cand compare 'Compare two runs'
            cand logs 'Print what the steps of a run printed'
            cand doctor 'Look at this machine and this project'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;init'= {
            cand --example 'Lay out this example instead of an empty manifest'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --list-examples 'List the examples'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs'= {
            cand --limit 'List at most so many'
            cand --status 'List only those that ended, or go on, this way'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand show 'Show everything that is known of a run'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;runs;show'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;runs;help'= {
            cand show 'Show everything that is known of a run'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;runs;help;show'= {
        }
        &'mlx;runs;help;help'= {
        }
        &'mlx;compare'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;logs'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;doctor'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;completions'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;man'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;help'= {
            cand init 'Start a project'
            cand runs 'List the runs'
            cand compare 'Compare two runs'
            cand logs 'Print what the steps of a run printed'
            cand doctor 'Look at this machine and this project'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;help;init'= {
        }
        &'mlx;help;runs'= {
            cand show 'Show everything that is known of a run'
        }
        &'mlx;help;runs;show'= {
        }
        &'mlx;help;compare'= {
        }
        &'mlx;help;logs'= {
        }
        &'mlx;help;doctor'= {
        }
        &'mlx;help;completions'= {
        }
        &'mlx;help;man'= {
        }
        &'mlx;help;help'= {
        }
    ]
    $completions[$command]
}

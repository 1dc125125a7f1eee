"""Settings of the private Grid Engine, as qconf reads them."""

__all__ = ["BOOTSTRAP", "GLOBAL", "HOST", "PARALLEL", "QUEUE", "SCHEDULER"]

BOOTSTRAP = """\
Version: 6.2
admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spooldb
binary_path /usr/sbin
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""

# Jobs of root, quick reports, an accounting record a second after the end of a job.
GLOBAL = {
    "execd_spool_dir": "{folder}/execd",
    "min_uid": "0",
    "min_gid": "0",
    "load_report_time": "00:00:05",
    "mailer": "/bin/true",
    "administrator_mail": "none",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
    "accounting_flush_time=00:00:01 joblog=false sharelog=00:00:00",
    "execd_params": "NOTIFY_SUSP=default,NOTIFY_KILL=default,ENABLE_ADDGRP_KILL=true",
}

# React at once.
SCHEDULER = {
    "schedule_interval": "0:0:2",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "job_load_adjustments": "NONE",
    "schedd_job_info": "true",
}

# Never make h_vmem consumable with default 0: it would be the limit of every job.
HOST = """\
hostname {host}
load_scaling NONE
complex_values slots={slots},mem_free=20G
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""

PARALLEL = """\
pe_name {name}
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves TRUE
job_is_first_task TRUE
urgency_slots min
accounting_summary TRUE
qsort_args NONE
"""

LIMITS = ["rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem"]

# No load thresholds: a busy machine would put the queue into alarm.
QUEUE = """\
qname all.q
hostlist {host}
seq_no 0
load_thresholds NONE
suspend_thresholds NONE
nsuspend 1
suspend_interval 00:05:00
priority 0
min_cpu_interval 00:05:00
processors UNDEFINED
qtype BATCH INTERACTIVE
ckpt_list NONE
pe_list smp mpi
rerun FALSE
slots {slots}
tmpdir /tmp
shell /bin/bash
prolog NONE
epilog NONE
shell_start_mode unix_behavior
starter_method NONE
suspend_method NONE
resume_method NONE
terminate_method NONE
notify 00:00:30
owner_list NONE
user_lists NONE
xuser_lists NONE
subordinate_list NONE
complex_values NONE
projects NONE
xprojects NONE
calendar NONE
initial_state default
""" + "".join(f"s_{name} INFINITY\nh_{name} INFINITY\n" for name in LIMITS)

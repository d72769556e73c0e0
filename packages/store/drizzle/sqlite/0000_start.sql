CREATE TABLE `completions` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`run` text NOT NULL,
	`step` integer NOT NULL,
	`prompt_id` text NOT NULL,
	`sample` integer NOT NULL,
	`prompt` text NOT NULL,
	`completion` text NOT NULL,
	`answer` text,
	`parsed` text,
	`correct` integer NOT NULL,
	`reward` real,
	`rewards` text NOT NULL,
	`reasons` text,
	`advantage` real,
	`length` integer NOT NULL,
	`finish_reason` text NOT NULL,
	`points` text
);
--> statement-breakpoint
CREATE INDEX `completions_run_step` ON `completions` (`run`,`step`);--> statement-breakpoint
CREATE TABLE `evaluations` (
	`run` text NOT NULL,
	`step` integer NOT NULL,
	`metrics` text NOT NULL,
	`time` integer NOT NULL,
	PRIMARY KEY(`run`, `step`)
);
--> statement-breakpoint
CREATE TABLE `events` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`run` text NOT NULL,
	`kind` text NOT NULL,
	`message` text NOT NULL,
	`step` integer,
	`data` text,
	`time` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `events_run` ON `events` (`run`,`id`);--> statement-breakpoint
CREATE TABLE `metrics` (
	`run` text NOT NULL,
	`name` text NOT NULL,
	`step` integer NOT NULL,
	`value` real,
	PRIMARY KEY(`run`, `name`, `step`)
);
--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`run_dir` text NOT NULL,
	`recipe` text NOT NULL,
	`code_version` text NOT NULL,
	`machine` text NOT NULL,
	`seed` integer NOT NULL,
	`steps` integer NOT NULL,
	`step` integer NOT NULL,
	`state` text NOT NULL,
	`error` text,
	`created` integer NOT NULL,
	`heartbeat` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `runs_created` ON `runs` (`created`);--> statement-breakpoint
CREATE TABLE `steps` (
	`run` text NOT NULL,
	`step` integer NOT NULL,
	`time` integer NOT NULL,
	PRIMARY KEY(`run`, `step`)
);

"""--max_restarts and --elastic on three hosts, and a stop on request: the losses must be those of a run that
nobody disturbed."""
import os
import random
import signal

import launch_support
from launch_support import running

STEPS = 18


class Restart(launch_support.LaunchTest):
    settings = dict(save_interval=2, save_total_limit=2)
    train = ["--train_iters", STEPS]

    def undisturbed(self):
        """The losses of a run in peace, made once."""
        save = self.save("undisturbed")
        if not os.path.exists(save):
            self.assert_launched(self.launch(*self.flags(save, train=self.train, **self.settings)))
        return self.losses(save, STEPS)

    def begin(self, save, hold_at, **changes):
        """A job that waits after so many steps for what the test does to it."""
        launcher = self.start_held(save, hold_at, *self.flags(
            save, longhaul=self.held_program, train=self.train, **{**self.settings, **changes}))
        self.addCleanup(launcher.stdout.close)
        self.wait_for_step(save, hold_at, launcher)
        return launcher

    def kill_a_rank(self, launcher, victim):
        """Returns when the job has ended; it may have been started again."""
        ranks = {rank.pid for rank in self.ranks()}
        os.kill(victim.pid, signal.SIGKILL)
        self.wait_for(lambda: launcher.poll() is not None or not ranks & {rank.pid for rank in self.ranks()},
                      launcher, "end of the job")

    def finish(self, launcher):
        output, _ = launcher.communicate(timeout=launch_support.TIMEOUT)
        self.assert_nothing_left()
        return output

    def test_rank_killed_at_three_random_steps(self):
        expected = self.undisturbed()
        seed = random.randrange(10**6)
        generator = random.Random(seed)
        save = self.save("killed")
        at = [generator.randint(part * 6 + 1, part * 6 + 5) for part in range(3)]
        launcher = self.begin(save, at[0], max_restarts=3)
        for following in (*at[1:], STEPS):
            self.kill_a_rank(launcher, generator.choice(self.ranks()))
            running.hold(save, following)
            if following < STEPS:
                self.wait_for_step(save, following, launcher)
        output = self.finish(launcher)
        self.assertEqual(launcher.returncode, 0, output)
        self.assertEqual(output.count("Restart "), 3, output)
        self.assertIn("Restart 3 of 3: from step_", output)
        self.assertEqual(self.losses(save, STEPS), expected)
        print(f"killed after steps {at} (seed {seed}): the same {STEPS} losses")

    def test_no_more_restarts_than_asked_for(self):
        save = self.save("once")
        launcher = self.begin(save, 1, max_restarts=1)
        self.kill_a_rank(launcher, self.ranks()[0])
        running.hold(save, 2)
        self.wait_for_step(save, 2, launcher)
        self.kill_a_rank(launcher, self.ranks()[0])
        output = self.finish(launcher)
        self.assertEqual(launcher.returncode, 137, output)
        self.assertEqual(output.count("Restart "), 1, output)

    def test_what_the_user_must_mend_is_not_tried_again(self):
        result = self.launch(*self.flags(self.save("mistake"), max_restarts=3, template_mode="no-such"))
        self.assertEqual(result[0], 2, result[1])
        self.assertNotIn("Restart ", result[1])

    def crash_third_host(self, save):
        self.addCleanup(self.cluster.boot, self.cluster.hosts[2])
        self.cluster.hosts[2].crash()
        running.release(save)

    def test_elastic_goes_on_with_the_hosts_that_are_left(self):
        expected = self.undisturbed()
        save = self.save("elastic")
        launcher = self.begin(save, 5, max_restarts=1, elastic=True)
        self.crash_third_host(save)
        output = self.finish(launcher)
        self.assertEqual(launcher.returncode, 0, output)
        self.assertIn("Going on with 2 of 3 hosts: 10.77.7.1 10.77.7.2", output)
        self.assertIn("x DP 2 on 2 ranks", output)
        for mine, other in zip(self.losses(save, STEPS), expected):
            for a, b in zip(mine, other):
                self.assertLessEqual(abs(a - b), 1e-5 * abs(b), f"{mine} instead of {other}")

    def test_elastic_needs_a_layout_that_fits(self):
        save = self.save("layout")
        launcher = self.begin(save, 3, max_restarts=1, elastic=True, context_parallel_size=3, restart_wait=0)
        self.crash_third_host(save)
        output = self.finish(launcher)
        self.assertEqual(launcher.returncode, 205, output)
        self.assertIn("The 2 that are left are too few for TP 1 x CP 3", output)
        self.assertIn("10.77.7.3", output)

    def test_without_elastic_a_host_is_waited_for(self):
        expected = self.undisturbed()
        save = self.save("waited")
        launcher = self.begin(save, 3, max_restarts=1)
        third = self.cluster.hosts[2]
        third.crash()
        running.release(save)
        heard = []
        for line in launcher.stdout:
            heard.append(line)
            if line.startswith("Waiting for hosts"):
                break
        self.cluster.boot(third)
        output = "".join(heard) + self.finish(launcher)
        self.assertEqual(launcher.returncode, 0, output)
        self.assertIn("Restart 1 of 1: from step_", output)
        self.assertEqual(self.losses(save, STEPS), expected)

    def test_stop_on_request_and_the_same_command_again(self):
        expected = self.undisturbed()
        save = self.save("stopped")
        launcher = self.begin(save, 4, save_interval=1000, max_restarts=2)
        os.kill(self.launcher_script(), signal.SIGINT)
        output = self.finish(launcher)
        self.assertEqual(launcher.returncode, 75, output)
        self.assertIn("the same command continues", output)
        self.assertNotIn("Restart ", output)
        self.assertEqual(self.steps_done(save), 5, "the step under way is finished")
        self.assert_launched(self.launch(*self.flags(save, train=self.train, **{**self.settings, "save_interval": 1000})))
        self.assertEqual(self.losses(save, STEPS), expected)


if __name__ == "__main__":
    launch_support.main()

"""One round of the game between two networks."""

import torch
from torch.nn.functional import softplus


class Game:
    def __init__(self, maker, critic, rate):
        self.maker, self.critic = maker, critic
        self.for_maker = torch.optim.Adam(maker.parameters(), lr=2 * rate, betas=(0.5, 0.9))
        self.for_critic = torch.optim.Adam(critic.parameters(), lr=rate, betas=(0.5, 0.9))

    def play(self, real, noise):
        """Losses of critic and maker after one step of each."""
        self.for_critic.zero_grad()
        fake = self.maker(noise)
        caught = softplus(self.critic(fake.detach())).mean() + softplus(-self.critic(real)).mean()
        caught.backward()
        self.for_critic.step()
        self.for_maker.zero_grad()
        fooled = softplus(-self.critic(fake)).mean()
        fooled.backward()
        self.for_maker.step()
        return caught.item(), fooled.item()
